from __future__ import annotations

import os
from pathlib import Path

from unilinux.ops.evidence import evidence_folder


def logs(folder: Path, age: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "console.log").write_text("said")
    os.utime(folder, (1000 - age, 1000 - age))
    return folder


def test_only_the_latest_few_are_kept_of_each_kind(tmp_path: Path) -> None:
    old = [logs(tmp_path / f"runs/verify-{number}", age=number) for number in range(1, 8)]
    other = logs(tmp_path / "runs/counted-1", age=99)
    mine = evidence_folder(tmp_path, "verify")
    assert mine == tmp_path / "runs" / f"verify-{os.getpid()}"
    assert [folder for folder in old if folder.exists()] == old[:4]  # and the new one makes five
    assert other.exists()


def test_this_process_keeps_its_own(tmp_path: Path) -> None:
    mine = logs(evidence_folder(tmp_path, "verify"), age=500)
    for number in range(1, 8):
        logs(tmp_path / f"runs/verify-{number}", age=number)
    assert evidence_folder(tmp_path, "verify") == mine
    assert mine.exists()


def test_a_kind_that_begins_as_another_is_another(tmp_path: Path) -> None:
    others = [logs(tmp_path / f"runs/verify-slow-{number}", age=number) for number in range(1, 8)]
    evidence_folder(tmp_path, "verify")
    assert all(folder.exists() for folder in others)
