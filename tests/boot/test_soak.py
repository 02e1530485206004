# SPDX-License-Identifier: GPL-2.0-only
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

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(3600 + RUNS * _RUN_TIMEOUT_S)]


@pytest.fixture
def folder() -> Path:
    """A new one for the evidence of one soak."""
    folder = PROJECT / "build/soak" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


# Random addresses, two CPUs, and with them all that makes entry code hard; ring 3 is the control.
TARGETS = (Target("attack-full", 0, "gate", bzimage=True), Target("attack-full", 3, "trap", bzimage=True))


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_soak(workshop: Workshop, folder: Path, target: Target) -> None:
    image = target.build(workshop, PROGRAM)
    failed: list[str] = []
    with (folder / f"{target}.log").open("w", buffering=1) as log:
        for number in range(1, RUNS + 1):
            evidence = folder / f"{target}-{number:05}"
            began = time.monotonic()
            with target.start(image, evidence, *_WORDS) as vm:
                report = Report.read(vm, timeout_s=_RUN_TIMEOUT_S)
            complaints = report.complaints(target, PROGRAM)
            run = f"run {number}, {time.monotonic() - began:.1f} s, kernel at {report.address:#x}"
            log.write(f"{run}: {'; '.join(complaints) or 'pass'}\n")
            if complaints:
                failed.append(f"{run}: {complaints}; see {evidence}")
            else:
                shutil.rmtree(evidence)
        log.write(f"{RUNS} runs, {len(failed)} failed\n")
    assert not failed
