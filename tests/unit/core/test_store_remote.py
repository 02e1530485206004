# SPDX-License-Identifier: GPL-2.0-only
"""A store that asks another one, whatever that sends."""

import shutil
from pathlib import Path

import pytest

from tests.unit.core.steps import a_step, fill, refuse
from tests.unit.recorder import Recorder
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import RemoteStore


class FolderRemote:
    """Another store, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, name: str, key: str, target: Path) -> bool:
        home = self.root / name / key
        if home.is_dir():
            shutil.copytree(home, target, symlinks=True, dirs_exist_ok=True)
        return home.is_dir()

    def put(self, name: str, key: str, folder: Path) -> None:
        shutil.copytree(folder, self.root / name / key, symlinks=True)


def store_with(remote: RemoteStore, folder: Path, recorder: Recorder | None = None) -> LocalStore:
    progress = Progress(recorder or NullSink())
    return LocalStore(folder / "store", logs=folder / "logs", progress=progress, remote=remote)


@pytest.mark.parametrize("by_key", [False, True])
def test_an_output_comes_from_a_remote_store(tmp_path: Path, by_key: bool) -> None:
    remote = FolderRemote(tmp_path / "remote")
    made = store_with(remote, tmp_path / "one").run(a_step(by_key=by_key), fill)
    found = store_with(remote, tmp_path / "two").run(a_step(by_key=by_key), refuse)
    assert found.cached
    assert (found.key, found.digest) == (made.key, made.digest)
    assert (found.path / "file").read_text() == "content"
    assert found.path.is_relative_to(tmp_path / "two")
    assert not (found.path / "file").stat().st_mode & 0o222
    assert store_with(remote, tmp_path / "two").verify(found)


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize("damage", ["shorter", "missing", "meta", "other key"])
def test_what_arrives_damaged_is_made_here(tmp_path: Path, by_key: bool, damage: str) -> None:
    remote = FolderRemote(tmp_path / "remote")
    made = store_with(remote, tmp_path / "one").run(a_step(by_key=by_key), fill)
    home = remote.root / "step" / made.key
    match damage:
        case "shorter":
            (home / "out/file").chmod(0o644)
            (home / "out/file").write_text("conten")
        case "missing":
            (home / "out/file").unlink()
        case "meta":
            (home / "meta.json").write_text("{")
        case _:
            (home / "meta.json").write_text((home / "meta.json").read_text().replace(made.key, "0" * 64))
    recorder = Recorder()
    again = store_with(remote, tmp_path / "two", recorder).run(a_step(by_key=by_key), fill)
    assert not again.cached
    assert again.digest == made.digest
    assert any("damaged" in note for note in recorder.notes)


def test_a_remote_store_that_fails_stops_no_build(tmp_path: Path) -> None:
    class Broken:
        def get(self, name: str, key: str, target: Path) -> bool:
            raise ConnectionError("no route")

        def put(self, name: str, key: str, folder: Path) -> None:
            raise TimeoutError("too slow")

    assert (store_with(Broken(), tmp_path).run(a_step(), fill).path / "file").read_text() == "content"
