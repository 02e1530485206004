"""The same short stress again and again, each time on a machine booted anew.

A race that shows once in hundreds of boots takes hundreds of boots to find::

    UNILINUX_SOAK_RUNS=500 .venv/bin/pytest tests/boot/test_soak.py

What was seen, run by run, is in ``build/soak/``, with all evidence of those that failed.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.boot.attack import Report, Target
from tests.boot.conftest import PROJECT, Workshop

RUNS = int(os.environ.get("UNILINUX_SOAK_RUNS", "5"))
PROGRAM = "stress"

# A run takes 4 s on an idle host; one whose guest hangs is given up after this.
_RUN_TIMEOUT_S = 180.0
_WORDS = ("seconds=0.3",)

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(1800 + RUNS * _RUN_TIMEOUT_S)]


@pytest.fixture
def folder() -> Path:
    """A new one for the evidence of one soak."""
    folder = PROJECT / "build/soak" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


# Random addresses, two CPUs, and with them all that makes entry code hard; ring 3 is the control.
@pytest.mark.parametrize("ring", [0, 3])
def test_soak(workshop: Workshop, folder: Path, ring: int) -> None:
    target = Target("attack-full", ring, "gate" if ring == 0 else "trap", bzimage=True)
    image = target.build(workshop, PROGRAM)
    failed: list[str] = []
    with (folder / f"{target}.log").open("w", buffering=1) as log:
        for number in range(1, RUNS + 1):
            evidence = folder / f"{target}-{number:05}"
            began = time.monotonic()
            with target.start(image, evidence, *_WORDS) as vm:
                report = Report.read(vm, timeout_s=_RUN_TIMEOUT_S)
            complaints = report.complaints(target, PROGRAM)
            seconds = time.monotonic() - began
            log.write(f"run {number}: {seconds:.1f} s, kernel at {report.address:#x}: {complaints or 'pass'}\n")
            if complaints:
                failed.append(f"run {number}: {complaints}; see {evidence}")
            else:
                shutil.rmtree(evidence)
        log.write(f"{RUNS} runs, {len(failed)} failed\n")
    assert not failed
