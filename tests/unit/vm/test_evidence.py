# SPDX-License-Identifier: GPL-2.0-only
"""Folders for the evidence of boots: unique, few, and never removed while they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.vm.fake import FakeEngine
from unilinux.vm.engine import Boot
from unilinux.vm.evidence import evidence_folder, in_use
from unilinux.vm.vm import Vm


def logs(folder: Path, age: int, *, booted: bool = True) -> Path:
    """Evidence that is so many seconds older than 1970 and a thousand seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    if booted:
        (folder / "boot.json").write_text("{}")
    os.utime(folder, (1000 - age, 1000 - age))
    return folder


def old(runs: Path, count: int) -> list[Path]:
    return [logs(evidence_folder(runs, "verify"), age=number) for number in range(1, count + 1)]


def test_each_is_another(tmp_path: Path) -> None:
    made = {evidence_folder(tmp_path / f"runs-{number % 2}", "verify") for number in range(8)}
    assert len(made) == 8
    assert all(folder.is_dir() for folder in made)


def test_only_the_newest_few_are_kept_of_each_kind(tmp_path: Path) -> None:
    others = [logs(tmp_path / f"counted-{number}", age=99) for number in range(3)]
    slow = [logs(tmp_path / f"verify-slow-{number}", age=99) for number in range(9)]
    found = [logs(tmp_path / f"verify-{number}", age=number) for number in range(1, 8)]
    mine = evidence_folder(tmp_path, "verify")
    assert mine.exists()
    assert [folder for folder in found if folder.exists()] == found[:4]  # and the new one makes five
    assert all(folder.exists() for folder in (*others, *slow))


def test_a_name_that_ends_in_decimal_digits_is_of_its_kind_too(tmp_path: Path) -> None:
    oldest = logs(tmp_path / "verify-20261127T091028Z-183033", age=99)
    old(tmp_path, 5)
    assert not oldest.exists()


def test_one_that_is_used_stays_however_old_it_is(tmp_path: Path) -> None:
    found = old(tmp_path, 5)
    with in_use(found[-1]):
        os.utime(found[-1], (0, 0))
        evidence_folder(tmp_path, "verify")
        evidence_folder(tmp_path, "verify")
        assert found[-1].exists()
    os.utime(found[-1], (0, 0))
    evidence_folder(tmp_path, "verify")
    assert not found[-1].exists()


def test_one_that_another_process_uses_stays_until_that_ends_however_it_ends(tmp_path: Path) -> None:
    found = old(tmp_path, 5)
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from unilinux.vm.evidence import in_use
with in_use(Path({str(found[-1])!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.utime(found[-1], (0, 0))
        evidence_folder(tmp_path, "verify")
        assert found[-1].exists()
        process.kill()
    os.utime(found[-1], (0, 0))
    evidence_folder(tmp_path, "verify")
    assert not found[-1].exists()


def test_one_whose_boot_is_about_to_begin_stays(tmp_path: Path) -> None:
    waiting = [evidence_folder(tmp_path, "verify") for _ in range(12)]
    assert all(folder.exists() for folder in waiting)


def test_a_machine_uses_its_folder_as_long_as_it_runs(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda _: None)):
        assert is_locked(boot.evidence)
    assert not is_locked(boot.evidence)


@pytest.mark.parametrize("file", ["console.log", "qmp.log"])
def test_a_machine_that_does_not_start_uses_no_folder(boot: Boot, file: str) -> None:
    (boot.evidence / file).mkdir(parents=True)
    with pytest.raises(Exception, match="directory"):
        Vm.start(boot, FakeEngine(lambda _: None))
    assert not is_locked(boot.evidence)


def is_locked(folder: Path) -> bool:
    done = subprocess.run(["flock", "--nonblock", folder / "in-use", "true"], check=False)
    return done.returncode != 0
