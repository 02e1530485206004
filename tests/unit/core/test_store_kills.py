# SPDX-License-Identifier: GPL-2.0-only
"""Whatever process dies at whatever moment: the store has the right bytes, or none."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PROGRAM = Path(__file__).with_name("killing.py")
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory if the host has one: hundreds of processes flush their files to the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("kills", "words"), [pytest.param(150, (), id="builds"), pytest.param(100, ("evict",), id="beside evictions")]
)
def test_processes_killed_at_any_moment_leave_right_bytes_or_none(
    kills: int, words: tuple[str, ...], quick: Path
) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, quick, "1", f"{kills}", *words],
        check=False, capture_output=True, text=True, timeout=50, env={**os.environ, "PYTHONPATH": f"{PROJECT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["killed"] >= kills
    assert set(document["left"]) <= {"", ".work"}
