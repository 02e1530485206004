import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from unilinux.core.errors import HostError
from unilinux.core.events import Event, NullSink, Progress, StepDetail, StepFinished
from unilinux.core.store import Step, Store, Workspace, code_digest

PROGRAM = """
import sys
from pathlib import Path
from unilinux.core.events import NullSink, Progress
from unilinux.core.store import Step, Store, Workspace

def action(space: Workspace) -> None:
    with open({count!r}, "a") as file:
        file.write("made\\n")
    (space.out / "half").write_text("half")
    print("begun", flush=True)
    sys.stdin.readline()
    (space.out / "whole").write_text("whole")

root = Path({root!r})
output = Store(root / "store", logs=root / "logs", progress=Progress(NullSink())).run(
    Step(name="step", label="a step", spec={{"n": 1}}, resumable={resumable!r}), action
)
print(sorted(path.name for path in output.path.iterdir()), output.cached, flush=True)
"""


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)


def new_store(folder: Path) -> Store:
    return Store(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))


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


def test_an_output_is_whole_read_only_and_found_again(store: Store, tmp_path: Path) -> None:
    made = store.run(a_step(), fill)
    assert {path.name for path in made.path.iterdir()} == {"file", "link"}
    assert (made.path / "file").stat().st_mode & 0o222 == 0
    assert not made.cached
    found = new_store(tmp_path).run(a_step(), refuse)
    assert (found.path, found.digest, found.key) == (made.path, made.digest, made.key)
    assert found.cached
    assert store.outputs == [made]


def test_what_an_output_was_made_from_is_written_beside_it(store: Store) -> None:
    made = store.run(Step(name="step", label="a step", spec={"n": 1}, inputs={"kernel": "abc"}), fill)
    meta = json.loads((made.path.parent / "meta.json").read_text())
    assert (meta["spec"], meta["inputs"], meta["key"], meta["digest"]) == (
        {"n": 1}, {"kernel": "abc"}, made.key, made.digest,
    )  # fmt: skip


def test_the_key_changes_with_all_that_goes_in_and_with_nothing_else() -> None:
    base = Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"})
    assert base.key == Step(name="a", label="Other", spec={"y": 2, "x": 1}, inputs={"i": "1"}, resumable=True).key
    others = [
        Step(name="b", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 3}, inputs={"i": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "2"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"j": "1"}),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"}, code=[json]),
        Step(name="a", label="A", spec={"x": 1, "y": 2}, inputs={"i": "1"}, by_key=True),
    ]
    assert len({base.key, *(step.key for step in others)}) == len(others) + 1


def test_the_digest_is_of_the_content_or_else_the_key(store: Store) -> None:
    one, two = store.run(a_step(number=1), fill), store.run(a_step(number=2), fill)
    assert one.digest == two.digest
    keyed = store.run(a_step(by_key=True), fill)
    assert keyed.digest == keyed.key


def _module(path: Path, text: str) -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comments_and_docstrings_of_a_steps_code_rebuild_nothing_but_code_does(tmp_path: Path) -> None:
    one = _module(tmp_path / "one.py", '"""Doc."""\ndef f():\n    """Doc."""\n    return 1\n')
    same = _module(tmp_path / "same.py", '"""Other."""\n\n# why\ndef f():\n    """Other."""\n    return  1\n')
    other = _module(tmp_path / "other.py", "def f():\n    return 2\n")
    assert code_digest(one) == code_digest(same) != code_digest(other)


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
        patch.setattr("unilinux.core.store.os.rename", no_rename)
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


def test_a_cached_step_says_so(tmp_path: Path) -> None:
    recorder = Recorder()
    store = Store(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(recorder))
    store.run(a_step(), fill)
    store.run(a_step(), fill)
    assert [event.cached for event in recorder.events if isinstance(event, StepFinished)] == [False, True]


def test_two_threads_share_the_work(tmp_path: Path) -> None:
    recorder = Recorder()
    store = Store(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(recorder))
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
from unilinux.core.store import Step, Store
root = Path(sys.argv[1])
def action(space):
    (space.out / "small").write_text("x")
    (space.out / "large").write_bytes(b"x" * (1 << 20))
try:
    Store(root / "store", logs=root / "logs", progress=Progress(NullSink())).run(
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
    assert lines[1:] == ["['.lock']"]


def test_a_read_only_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    store = new_store(tmp_path)
    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(HostError, match="store lies on a read-only file system"):
        store.run(a_step(), fill)
