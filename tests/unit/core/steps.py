# SPDX-License-Identifier: GPL-2.0-only
"""Steps and stores that the tests of the store share."""

from pathlib import Path

from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Step, Workspace


def new_store(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))


def a_step(*, resumable: bool = False, by_key: bool = False, number: int = 1) -> Step:
    return Step(name="step", label="a step", spec={"n": number}, resumable=resumable, by_key=by_key)


def fill(space: Workspace) -> None:
    (space.out / "file").write_text("content")
    (space.out / "link").symlink_to("file")
    (space.scratch / "object").write_text("not for the output")


def refuse(space: Workspace) -> None:
    raise AssertionError("was made although it was there")


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in (folder / "store/step").iterdir() if path.name.endswith(".work")]
