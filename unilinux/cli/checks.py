"""The project's own tests and quality gates, run by pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What check runs: linters, types, layers, and the patch series against their kernel.
GATES = ("tests/style", "tests/kernel/test_series.py")

# A file's tests share images and boots, so they stay together; the files stay in the order in which they
# were collected, quick ones first.
SIDE_BY_SIDE = ("--numprocesses=logical", "--maxprocesses=8", "--dist=loadfile", "--no-loadscope-reorder")


def test(project: Path, *, fast: bool, everything: bool) -> None:
    """Run the tests; ``fast``: the units only; ``everything``: also those that take long.

    :raise SystemExit: with pytest's own status.
    """
    if fast:
        _pytest(project, *SIDE_BY_SIDE, "tests/unit")
    _pytest(project, *SIDE_BY_SIDE, *(() if everything else ("-m", "not slow")))


def check(project: Path) -> None:
    """Run the quality gates.

    :raise SystemExit: with pytest's own status.
    """
    _pytest(project, "-m", "not slow", *GATES)


def _pytest(project: Path, *words: str) -> None:
    # A process of its own: pytest changes much of the interpreter that it runs in.
    raise SystemExit(subprocess.run([sys.executable, "-m", "pytest", *words], cwd=project, check=False).returncode)
