# SPDX-License-Identifier: GPL-2.0-only
"""Files that a step reads and that change meanwhile."""

import os
from pathlib import Path

import pytest

from tests.unit.core.steps import new_store, unfinished
from unilinux.core.errors import HostError
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Step, Store, Workspace


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return new_store(tmp_path)


def changing_step(file: Path) -> Step:
    return Step(name="step", label="a step", spec={}, files={"source": file})


def test_a_file_that_changes_while_it_is_used_makes_no_output(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source.c"
    source.write_text("one")

    def edited(space: Workspace) -> None:
        source.write_text("two")  # of the same length, as an editor does it in the middle of a build
        (space.out / "copy").write_text(source.read_text())

    with pytest.raises(HostError, match=r"source\.c was changed while it was being used"):
        store.run(changing_step(source), edited)
    assert unfinished(tmp_path) == []

    def copy(space: Workspace) -> None:
        (space.out / "copy").write_text(source.read_text())

    assert (store.run(changing_step(source), copy).path / "copy").read_text() == "two"
    source.write_text("one")
    assert (store.run(changing_step(source), copy).path / "copy").read_text() == "one"


def test_a_file_that_is_changed_and_changed_back_is_seen_too(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source.c"
    source.write_text("one")
    status = source.stat()

    def edited(space: Workspace) -> None:
        source.write_text("two")
        (space.out / "copy").write_text(source.read_text())
        source.write_text("one")
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        while source.stat().st_ctime_ns == status.st_ctime_ns:  # the same tick of the file system's clock
            source.chmod(status.st_mode)

    with pytest.raises(HostError, match="was changed while it was being used"):
        store.run(changing_step(source), edited)


def test_a_changed_file_in_a_folder_is_seen(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/a.h").write_text("1")

    def edited(space: Workspace) -> None:
        (folder / "inner/b.h").write_text("1")

    with pytest.raises(HostError, match="sources was changed while it was being used"):
        store.run(changing_step(folder), edited)
