# SPDX-License-Identifier: GPL-2.0-only
"""The project's own tests and quality gates, run by pytest."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from unilinux.core.errors import CheckError
from unilinux.ops.workshop import Workshop

# What check runs: linters, types, layers, and the patch series against their kernel.
GATES = ("tests/style", "tests/kernel/test_series.py")

# A file's tests share images and boots, so they stay together; the files stay in the order in which they
# were collected, quick ones first.
SIDE_BY_SIDE = ("--numprocesses=logical", "--maxprocesses=8", "--dist=loadfile", "--no-loadscope-reorder")

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """How the tests went. ``status`` is pytest's own; ``failed`` are the names of those that didn't pass."""

    status: int
    tests: int
    skipped: int
    seconds: float
    failed: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "ok": self.status == 0,
            "status": self.status,
            "tests": self.tests,
            "skipped": self.skipped,
            "seconds": self.seconds,
            "failed": list(self.failed),
        }

    def require(self) -> None:
        """Nothing if all passed.

        :raise CheckError: something failed, or pytest couldn't run.
        """
        if self.status != 0:
            what = f"{len(self.failed)} tests failed" if self.failed else f"pytest ended with status {self.status}"
            raise CheckError(what, details=self.failed, hint="what failed is shown above")


def run_tests(here: Workshop, *, fast: bool = False, everything: bool = False, output: IO[str] | None = None) -> Tested:
    """Run the tests; ``fast``: the units only; ``everything``: also those that take long.

    What pytest says goes to ``output``, or where this process's own output goes.
    """
    if fast:
        return _pytest(here.layout.project, *SIDE_BY_SIDE, "tests/unit", output=output)
    return _pytest(here.layout.project, *SIDE_BY_SIDE, *(() if everything else ("-m", "not slow")), output=output)


def run_gates(here: Workshop, *, output: IO[str] | None = None) -> Tested:
    """Run the quality gates; ``output`` as in :func:`run_tests`."""
    return _pytest(here.layout.project, "-m", "not slow", *GATES, output=output)


def _pytest(project: Path, *words: str, output: IO[str] | None) -> Tested:
    with tempfile.TemporaryDirectory(prefix="unilinux-") as folder:
        results = Path(folder) / "results.xml"
        # A process of its own: pytest changes much of the interpreter that it runs in.
        argv = [sys.executable, "-m", "pytest", f"--junitxml={results}", *words]
        with subprocess.Popen(argv, cwd=project, stdout=output) as running:
            try:
                status = running.wait()
            except BaseException as asked:  # whoever is asked to end asks pytest, which ends its workers
                # Ctrl-C reaches pytest as well, which then sums up and ends by itself.
                if type(asked) is not KeyboardInterrupt or not _ends(running):
                    running.terminate()
                    if not _ends(running):
                        running.kill()
                raise
        return _read(results, status)


def _ends(running: subprocess.Popen[bytes]) -> bool:
    """Whether it ends within a while."""
    try:
        running.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _read(results: Path, status: int) -> Tested:
    if not results.exists():  # it didn't come to run anything
        return Tested(status=status, tests=0, skipped=0, seconds=0.0, failed=())
    suites = list(ET.parse(results).getroot().iter("testsuite"))
    failed = [
        f"{case.get('classname', '')}::{case.get('name', '')}"
        for suite in suites
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return Tested(
        status=status,
        tests=sum(int(suite.get("tests", 0)) for suite in suites),
        skipped=sum(int(suite.get("skipped", 0)) for suite in suites),
        seconds=round(sum(float(suite.get("time", 0)) for suite in suites), 3),
        failed=tuple(failed),
    )
