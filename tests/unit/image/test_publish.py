# SPDX-License-Identifier: GPL-2.0-only
"""The folder of a finished image: whole, described truly, and one run at a time."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from unilinux.core.errors import HostError
from unilinux.core.files import copy_atomically, digest_file
from unilinux.image import publish as module
from unilinux.image.publish import has_bzimage, publish
from unilinux.image.record import ARTIFACTS, RECORD_FILE, REWRITTEN_FILE
from unilinux.kconfig.resolved import Resolved

RESOLVED = Resolved(kernel_version="6.12.1", config="", symbols={})


def made(folder: Path, text: str, *names: str) -> dict[str, Path]:
    """Artefacts as the build steps leave them."""
    folder.mkdir(exist_ok=True)
    for name in names or ARTIFACTS:
        (folder / ARTIFACTS[name]).write_text(f"{name} {text}")
    return {name: folder / ARTIFACTS[name] for name in names or ARTIFACTS}


def record_of(files: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "name": "x",
        "artifacts": {
            name: {"path": path.name, "size": path.stat().st_size, "sha256": digest_file(path)}
            for name, path in files.items()
        },
    }


def test_what_became_of_system_calls_is_beside_it_as_long_as_there_are_rewritten_files(tmp_path: Path) -> None:
    files = made(tmp_path / "made", "1")
    folder = publish(files, RESOLVED, record_of(files), tmp_path / "x", rewritten=[{"file": "/bin/server"}])
    assert json.loads((folder / REWRITTEN_FILE).read_text()) == [{"file": "/bin/server"}]
    publish(files, RESOLVED, record_of(files), folder)
    assert not (folder / REWRITTEN_FILE).exists()
    assert (folder / RECORD_FILE).exists()


def test_all_is_there_and_described(tmp_path: Path) -> None:
    files = made(tmp_path / "made", "1")
    folder = publish(files, RESOLVED, record_of(files), tmp_path / "build/x")
    assert json.loads((folder / RECORD_FILE).read_text()) == record_of(files)
    assert (folder / "vmlinux").read_text() == "vmlinux 1"
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    publish(files, RESOLVED, record_of(files), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_what_is_interrupted_leaves_no_description_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = made(tmp_path / "first", "1"), made(tmp_path / "second", "2")
    folder = publish(first, RESOLVED, record_of(first), tmp_path / "x")

    def full(source: Path, target: Path) -> None:
        raise HostError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(module, "copy_atomically", full)
        with pytest.raises(HostError):
            publish(second, RESOLVED, record_of(second), folder)
    assert not (folder / RECORD_FILE).exists()
    publish(second, RESOLVED, record_of(second), folder)
    assert json.loads((folder / RECORD_FILE).read_text()) == record_of(second)


def test_another_run_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = made(tmp_path / "first", "1"), made(tmp_path / "second", "2")
    copying, waiting, go_on = threading.Event(), threading.Event(), threading.Event()

    def slow(source: Path, target: Path) -> None:
        copying.set()
        assert go_on.wait(30)
        copy_atomically(source, target)

    monkeypatch.setattr(module, "copy_atomically", slow)
    one = threading.Thread(target=publish, args=(first, RESOLVED, record_of(first), tmp_path / "x"))
    one.start()
    assert copying.wait(30)
    two = threading.Thread(
        target=publish, args=(second, RESOLVED, record_of(second), tmp_path / "x"), kwargs={"waiting": waiting.set}
    )
    two.start()
    assert waiting.wait(30)
    go_on.set()
    one.join()
    two.join()
    assert json.loads((tmp_path / "x" / RECORD_FILE).read_text()) == record_of(second)
    assert {(tmp_path / "x" / file).read_text() for file in ARTIFACTS.values()} == {f"{name} 2" for name in ARTIFACTS}


def test_a_bzimage_stays_as_long_as_it_is_that_of_the_vmlinux(tmp_path: Path) -> None:
    whole, without = made(tmp_path / "1", "1"), made(tmp_path / "2", "2", "vmlinux", "config")
    folder = publish(whole, RESOLVED, record_of(whole), tmp_path / "x")
    assert has_bzimage(folder, whole["vmlinux"])
    assert not has_bzimage(folder, without["vmlinux"])
    assert not has_bzimage(tmp_path / "nowhere", whole["vmlinux"])
    publish(without, RESOLVED, record_of(without), folder)
    assert not (folder / "bzImage").exists()
    assert not has_bzimage(folder, without["vmlinux"])
