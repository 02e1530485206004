# SPDX-License-Identifier: GPL-2.0-only
"""NMIs at any moment: the host injects one after the other while the programs run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.boot.attack import Report, Target, without_nmi_messages
from tests.boot.conftest import Workshop
from unilinux.core.errors import VmError
from unilinux.vm.vm import Vm

_TIMEOUT_S = 900.0
_LOST_AFTER_S = 1.0
_TOLD = re.compile("Dazed and confused")

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


def storm(vm: Vm) -> int:
    """Inject NMIs until the program has ended; how many.

    Each but the first comes when the kernel has told of the one before: faster than that,
    and a kernel that has nothing else to do than to tell of them misses its timers.
    """
    injected = 0
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline and not vm.console.wait_closed(time.monotonic()):
        start = vm.console.position()
        try:
            vm.execute("inject-nmi")
        except VmError:  # QEMU has ended
            break
        injected += 1
        vm.console.find(_TOLD.search, deadline=min(deadline, time.monotonic() + _LOST_AFTER_S), start=start)
    return injected


@pytest.mark.parametrize(
    ("target", "program"),
    [
        pytest.param(Target("attack-up", 0, "lean"), "stress", id="up-stress"),
        *(
            pytest.param(target, program, id=f"{target}-{program}", marks=pytest.mark.slow)
            for target, program in (
                (Target("attack-up", 0, "lean"), "gate"),
                (Target("attack-up", 3, "trap"), "stress"),
                (Target("attack-locking", 0, "lean"), "gate"),
                (Target("attack-locking", 0, "lean"), "stress"),
                (Target("attack-full", 0, "gate", bzimage=True), "stress"),
            )
        ),
    ],
)
def test_storm(
    workshop: Workshop,
    tmp_path: Path,
    target: Target,
    program: str,
) -> None:
    image = target.build(workshop, program)
    with target.start(image, tmp_path / "evidence", "seconds=3") as vm:
        vm.expect("^ring ", timeout_s=120)
        injected = storm(vm)
        outcome = vm.wait(timeout_s=10)
    report = Report.of(outcome, without_nmi_messages((tmp_path / "evidence/console.log").read_text()).splitlines())
    (tmp_path / "evidence/nmis.txt").write_text(f"{injected} injected, {report.nmis} taken\n")
    assert not report.complaints(target, program)
    # Each goes to all CPUs, and is lost where another is pending. A busy host injects some 200 in a second.
    assert report.nmis > 300
