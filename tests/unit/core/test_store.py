# SPDX-License-Identifier: GPL-2.0-only
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.core.steps import a_step, fill, new_store, refuse, unfinished
from tests.unit.recorder import Recorder
from unilinux.core.errors import HostError
from unilinux.core.events import Progress, StepDetail, StepWorking
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Step, Store, Workspace

PROGRAM = """
import sys
from pathlib import Path
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Step, Workspace

def action(space: Workspace) -> None:
    with open({count!r}, "a") as file:
        file.write("made\\n")
    (space.out / "half").write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()
    (space.out / "whole").write_text("whole")

root = Path({root!r})
output = LocalStore(root / "store", logs=root / "logs", progress=Progress(NullSink())).run(
    Step(name="step", label="a step", spec={{"n": 1}}, resumable={resumable!r}), action
)
print(sorted(path.name for path in output.path.iterdir()), output.cached, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return new_store(tmp_path)


def test_an_output_is_whole_read_only_and_found_again(store: Store, tmp_path: Path) -> None:
    made = store.run(a_step(), fill)
    assert {path.name for path in made.path.iterdir()} == {"file", "link"}
    assert (made.path / "file").stat().st_mode & 0o222 == 0
    assert not made.cached
    found = new_store(tmp_path).run(a_step(), refuse)
    assert (found.path, found.digest, found.key) == (made.path, made.digest, made.key)
    assert found.cached
    assert store.outputs == (made,)


def test_what_an_output_was_made_from_is_written_beside_it(store: Store) -> None:
    made = store.run(Step(name="step", label="a step", spec={"n": 1}, inputs={"kernel": "abc"}), fill)
    meta = json.loads((made.path.parent / "meta.json").read_text())
    assert (meta["spec"], meta["inputs"], meta["key"], meta["digest"]) == (
        {"n": 1}, {"kernel": "abc"}, made.key, made.digest,
    )  # fmt: skip


def test_the_key_changes_with_all_that_goes_in_and_with_nothing_else() -> None:
    base = Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"})
    assert base.key() == Step(name="a", label="Other", spec={"y": 2, "x": 1}, inputs={"i": "1"}, resumable=True).key()
    others = [
        Step(name="b", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 3}, inputs={"i": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "2"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"j": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"}, by_key=True),
    ]
    keys = {base.key(), base.key(code="c"), base.key(files={"f": "1"}), *(step.key() for step in others)}
    assert len(keys) == len(others) + 3


def test_the_digest_is_of_the_content_or_else_the_key(store: Store) -> None:
    one, two = store.run(a_step(number=1), fill), store.run(a_step(number=2), fill)
    assert one.digest == two.digest
    keyed = store.run(a_step(by_key=True), fill)
    assert keyed.digest == keyed.key


def test_a_failed_action_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def fail(space: Workspace) -> None:
        fill(space)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.run(a_step(), fail)
    assert unfinished(tmp_path) == []
    assert store.run(a_step(), fill).cached is False


def test_a_resumable_step_finds_what_it_had_made(store: Store) -> None:
    def fail(space: Workspace) -> None:
        (space.scratch / "object").write_text("half")
        raise KeyboardInterrupt

    def resume(space: Workspace) -> None:
        assert (space.scratch / "object").read_text() == "half"
        fill(space)

    with pytest.raises(KeyboardInterrupt):
        store.run(a_step(resumable=True), fail)
    made = store.run(a_step(resumable=True), resume)
    assert {path.name for path in made.path.parent.iterdir()} == {"out", "meta.json"}


def test_a_resumable_step_that_was_ended_just_before_publishing_begins_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_rename(*_: object) -> None:
        raise KeyboardInterrupt

    def remake(space: Workspace) -> None:
        assert list(space.out.iterdir()) == []
        fill(space)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("unilinux.core.localstore.os.rename", no_rename)
        store.run(a_step(resumable=True), fill)
    assert unfinished(tmp_path) != []
    assert not store.run(a_step(resumable=True), remake).cached


@pytest.mark.parametrize("damage", ["meta removed", "meta emptied", "meta of another kind"])
def test_a_damaged_output_is_made_again(damage: str, store: Store) -> None:
    made = store.run(a_step(), fill)
    meta = made.path.parent / "meta.json"
    match damage:
        case "meta removed":
            meta.unlink()
        case "meta emptied":
            meta.write_text("")
        case _:
            meta.write_text("{}")
    again = store.run(a_step(), fill)
    assert not again.cached
    assert (again.path / "file").read_text() == "content"
    assert store.run(a_step(), refuse).cached


def test_lookup_finds_what_is_there_and_nothing_else(store: Store, tmp_path: Path) -> None:
    made = store.run(a_step(), fill)
    found = new_store(tmp_path).lookup("step", made.key)
    assert found is not None
    assert (found.path, found.digest) == (made.path, made.digest)
    assert store.lookup("step", "") is None
    assert store.lookup("other", made.key) is None


@pytest.mark.parametrize("by_key", [False, True])
def test_verify_sees_damage(store: Store, by_key: bool) -> None:
    made = store.run(a_step(by_key=by_key), fill)
    assert store.verify(made)
    file = made.path / "file"
    file.chmod(0o644)
    file.write_text("con")
    assert not store.verify(made)


def test_a_cached_step_says_so(tmp_path: Path) -> None:
    recorder = Recorder()
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(recorder))
    store.run(a_step(), fill)
    store.run(a_step(), fill)
    assert recorder.cached == [False, True]


def test_a_step_that_has_to_be_made_says_how_long_that_took_the_last_time(tmp_path: Path) -> None:
    recorder = Recorder()
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(recorder))
    made = store.run(a_step(), fill)
    meta = made.path.parent / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "seconds": 251.5}))
    store.run(a_step(), refuse)
    store.run(Step(name=made.name, label="another", spec={"n": 99}), fill)
    working = [event for event in recorder.events if isinstance(event, StepWorking)]
    assert [event.estimate_s for event in working] == [None, 251.5]


def test_two_threads_share_the_work(tmp_path: Path) -> None:
    recorder = Recorder()
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(recorder))
    inside, go_on, made = threading.Event(), threading.Event(), []

    def slow(space: Workspace) -> None:
        made.append(space)
        inside.set()
        assert go_on.wait(10)
        fill(space)

    first = threading.Thread(target=store.run, args=(a_step(), slow))
    second = threading.Thread(target=store.run, args=(a_step(), slow))
    first.start()
    assert inside.wait(10)
    second.start()
    while not any(isinstance(event, StepDetail) for event in recorder.events):
        assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert len(made) == 1
    assert sorted(output.cached for output in store.outputs) == [False, True]


class Maker:
    """Another process that runs the step, halts inside it, and goes on when told."""

    def __init__(self, root: Path, *, resumable: bool = False) -> None:
        program = PROGRAM.format(root=str(root), count=str(root / "count"), resumable=resumable)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def makers() -> Iterator[list[Maker]]:
    made: list[Maker] = []
    yield made
    for maker in made:
        maker.close()


def test_two_processes_share_the_work(tmp_path: Path, makers: list[Maker]) -> None:
    makers.append(Maker(tmp_path))
    assert makers[0].line() == "begun"
    makers.append(Maker(tmp_path))
    makers[0].go_on()
    lines = {maker.line() for maker in makers}
    assert lines == {"['half', 'whole'] False", "['half', 'whole'] True"}
    assert (tmp_path / "count").read_text() == "made\n"


@pytest.mark.parametrize("resumable", [False, True])
def test_after_a_kill_in_the_middle_the_next_run_makes_it_whole(
    resumable: bool, tmp_path: Path, makers: list[Maker]
) -> None:
    makers.append(Maker(tmp_path, resumable=resumable))
    assert makers[0].line() == "begun"
    os.kill(makers[0].process.pid, signal.SIGKILL)
    makers[0].process.wait()
    assert unfinished(tmp_path) != []
    left: list[str] = []

    def action(space: Workspace) -> None:
        left.extend(path.name for path in space.out.iterdir())
        (space.out / "whole").write_text("whole")

    made = new_store(tmp_path).run(a_step(resumable=resumable), action)
    assert left == (["half"] if resumable else [])
    assert {path.name for path in made.path.iterdir()} == {*left, "whole"}
    assert unfinished(tmp_path) == []


# In a mount namespace of its own, which takes the file system away with it.
FULL_DISK = """
set -e
mount -t tmpfs -o size=256k none "$1"
status=0
PYTHONPATH="$2" python3 -c '
import os, sys
from pathlib import Path
from unilinux.core.errors import HostError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Step
root = Path(sys.argv[1])
def action(space):
    (space.out / "small").write_text("x")
    (space.out / "large").write_bytes(b"x" * (1 << 20))
try:
    LocalStore(root / "store", logs=root / "logs", progress=Progress(NullSink())).run(
        Step(name="step", label="a step", spec={}), action)
except HostError as error:
    print(error.message)
    print(sorted(p.suffix for p in (root / "store/step").iterdir()))
' "$1"
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    project = Path(__file__).parents[3]
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", disk], check=False, capture_output=True).returncode:
        pytest.skip("this host lets nobody mount a file system in a namespace")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*unshare, "sh", "-c", FULL_DISK, "sh", disk, project],
        check=False, capture_output=True, text=True, env={**os.environ, "PATH": path},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert lines[:1] == [f"no space left on the file system of {disk}/store; nothing half-written was kept"], (
        done.stderr
    )
    assert lines[1:] == ["[]"]


def test_a_read_only_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    store = new_store(tmp_path)
    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(HostError, match="store lies on a read-only file system"):
        store.run(a_step(), fill)
