# SPDX-License-Identifier: GPL-2.0-only
"""What a build step can write to, and what happens where there is no sandbox."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.core.steps import a_step
from tests.unit.recorder import Recorder
from unilinux.core import sandbox
from unilinux.core.command import run
from unilinux.core.errors import CommandError
from unilinux.core.events import Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.sandbox import bubblewrap, sandbox_of
from unilinux.core.store import Step, Workspace

LONG = f"{100_000 + os.getpid()}"  # seconds, of this run alone

works = pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap doesn't work here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def in_a_step(folder: Path, command: str, recorder: Recorder | None = None) -> Path:
    """Run a shell command as a build step; its folder ``out``."""

    def action(space: Workspace) -> None:
        run(["sh", "-c", command, "sh", space.out], cwd=space.scratch, log=space.log, sandbox=sandbox_of(space))

    store = LocalStore(folder / "store", logs=folder / "logs", progress=Progress(recorder or Recorder()))
    return store.run(a_step(), action).path


@works
@pytest.mark.parametrize(
    "place",
    ["$HOME/x", f"{Path(__file__).parents[3]}/x", "../../x", "../meta.json", "/etc/x", "/usr/x", "/run/x", "/sys/x"],
)
def test_a_step_cannot_write_outside_of_its_folders(tmp_path: Path, home: Path, place: str) -> None:
    with pytest.raises(CommandError) as caught:
        in_a_step(tmp_path, f'echo x > "{place}"')
    assert "ead-only file system" in "\n".join(caught.value.tail)
    assert list(home.iterdir()) == []


@works
def test_what_it_writes_beside_devices_is_nobodys(tmp_path: Path) -> None:
    """A compiler that is told to write to /dev/null must not leave files beside it."""
    out = in_a_step(tmp_path, "echo x > /dev/null; echo x > /dev/null.gate; cat /dev/null.gate > $1/found")
    assert (out / "found").read_text() == "x\n"
    assert not Path("/dev/null.gate").exists()


@works
def test_its_temporary_files_are_its_own(tmp_path: Path) -> None:
    out = in_a_step(tmp_path, "name=$(mktemp) && echo x > $name && echo $name > $1/found")
    name = Path((out / "found").read_text().strip())
    assert not name.exists()
    assert name.is_relative_to(tmp_path)


@works
def test_it_writes_where_it_should_by_the_same_paths(tmp_path: Path) -> None:
    out = in_a_step(tmp_path, "pwd > $1/where; echo x > beside; cat beside >> $1/where; id -u >> $1/where")
    where, beside, user = (out / "where").read_text().split()
    assert where == str(out.parent.with_suffix(".work") / "scratch")
    assert (beside, user) == ("x", str(os.geteuid()))


@works
def test_outputs_of_other_steps_are_seen_and_stay_as_they_are(tmp_path: Path) -> None:
    first = in_a_step(tmp_path, "echo x > $1/file")

    def action(space: Workspace) -> None:
        command = f"cat {first}/file > $1/copy; ! echo y > {first}/new"
        run(["sh", "-c", command, "sh", space.out], cwd=space.scratch, sandbox=sandbox_of(space))

    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(Recorder()))
    assert (store.run(a_step(number=2), action).path / "copy").read_text() == "x\n"
    assert [path.name for path in first.iterdir()] == ["file"]


@works
def test_the_files_of_a_step_are_seen_even_in_tmp(tmp_path: Path) -> None:
    patch = tmp_path / "patch"
    patch.write_text("x")

    def action(space: Workspace) -> None:
        run(["cp", patch, space.out], cwd=space.scratch, sandbox=sandbox_of(space))

    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(Recorder()))
    step = Step(name="step", label="a step", spec={}, files={"patch": patch})
    assert (store.run(step, action).path / "patch").read_text() == "x"


@pytest.fixture
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@works
def test_there_is_no_network(tmp_path: Path, server: int) -> None:
    reach = f"exec 3<>/dev/tcp/127.0.0.1/{server}"
    run(["bash", "-c", reach])
    with pytest.raises(CommandError):
        in_a_step(tmp_path, f"bash -c '{reach}'")


@works
def test_nothing_that_it_started_outlives_it(tmp_path: Path) -> None:
    in_a_step(tmp_path, f"setsid sleep {LONG} & sleep 0.1")
    commands = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            commands.append(process.read_bytes())
    assert f"sleep\0{LONG}\0".encode() not in commands


@pytest.mark.parametrize(
    ("program", "reason"), [(None, "bubblewrap is not installed"), ("/bin/false", "the host forbids it")]
)
def test_without_a_sandbox_steps_run_and_the_user_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, reason: str
) -> None:
    monkeypatch.setattr(sandbox, "_program", lambda: program)
    monkeypatch.setattr(sandbox, "bubblewrap", bubblewrap.__wrapped__)
    sandbox._TOLD.clear()
    recorder = Recorder()
    try:
        for number in range(2):
            out = in_a_step(tmp_path / f"{number}", "echo x > $1/file", recorder)
            assert (out / "file").read_text() == "x\n"
    finally:
        sandbox._TOLD.clear()
    (note,) = recorder.notes
    assert note.endswith(reason)
