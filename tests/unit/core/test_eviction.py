# SPDX-License-Identifier: GPL-2.0-only
"""What goes when a store becomes too large, and what stays."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.core.steps import a_step, fill, new_store, refuse
from unilinux.core.errors import BuildError, HostError
from unilinux.core.events import NullSink, Progress
from unilinux.core.eviction import evict
from unilinux.core.leases import Lease
from unilinux.core.localstore import LocalStore
from unilinux.core.locks import locked, locked_if_free
from unilinux.core.store import Output, Step, Workspace

# Uses the output of a step, says so, and goes on when told.
USER = """
import sys
from pathlib import Path
from unilinux.core.events import NullSink, Progress
from unilinux.core.leases import Lease
from unilinux.core.localstore import LocalStore
root = Path(sys.argv[1])
store = LocalStore(root / "store", logs=root / "logs", progress=Progress(NullSink()))
output = store.lookup("step", sys.argv[2])
print("found", flush=True)
sys.stdin.readline()
print((output.path / "file").read_text(), flush=True)
"""


def large(space: Workspace) -> None:
    (space.out / "file").write_bytes(b"x" * 1_000_000)


def made(folder: Path, *numbers: int, used: float = 0.0) -> list[Output]:
    """Outputs of a million bytes, used one after the other."""
    store = new_store(folder)
    outputs = [store.run(a_step(number=number), large) for number in numbers]
    for place, output in enumerate(outputs):
        os.utime(output.path.parent / "meta.json", (used + place, used + place))
    return outputs


def forget() -> None:
    """Let go of all outputs, as the end of a process does."""
    gc.collect()


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    forget()
    yield
    forget()


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    paths = [output.path for output in made(tmp_path, 1, 2, 3, 4)]
    forget()
    done = evict(tmp_path / "store", 3_000_000)
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert done.freed_bytes >= 2_000_000
    assert done.kept_bytes <= 3_000_000


def test_below_the_limit_nothing_goes(tmp_path: Path) -> None:
    paths = [output.path for output in made(tmp_path, 1, 2)]
    forget()
    assert evict(tmp_path / "store", 3_000_000).freed_bytes == 0
    assert all(path.exists() for path in paths)


def test_a_use_makes_it_young_again(tmp_path: Path) -> None:
    paths = [output.path for output in made(tmp_path, 1, 2)]
    new_store(tmp_path).run(a_step(number=1), refuse)
    forget()
    evict(tmp_path / "store", 1_500_000)
    assert [path.exists() for path in paths] == [True, False]


def test_a_store_keeps_itself_below_its_limit(tmp_path: Path) -> None:
    old = [output.path for output in made(tmp_path, 1, 2, 3)]
    forget()
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()), limit_bytes=2_500_000)
    new = store.run(a_step(number=4), large)
    assert new.path.exists()
    assert [path.exists() for path in old] == [False, False, True]


def test_logs_of_long_ago_go_too(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name in ("old.log", "new.log"):
        (logs / name).write_text("x")
    os.utime(logs / "old.log", (0, 0))
    store = LocalStore(tmp_path / "store", logs=logs, progress=Progress(NullSink()), limit_bytes=1 << 40)
    store.run(a_step(), large)
    assert [path.name for path in logs.iterdir()] == ["new.log"]


def test_what_this_process_uses_stays(tmp_path: Path) -> None:
    outputs = made(tmp_path, 1, 2)
    done = evict(tmp_path / "store", 0)
    assert done.in_use == 2
    assert all(output.path.exists() for output in outputs)


def test_what_another_process_uses_stays_until_it_ends(tmp_path: Path) -> None:
    keys = [output.key for output in made(tmp_path, 1, 2)]
    forget()
    argv = [sys.executable, "-c", USER, f"{tmp_path}", keys[0]]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "found\n"
        assert evict(tmp_path / "store", 0).in_use == 1
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "x" * 1_000_000 + "\n"
    assert evict(tmp_path / "store", 0).in_use == 0
    assert not list((tmp_path / "store/step").iterdir())


def test_a_forked_child_that_ends_takes_no_lease_away(tmp_path: Path) -> None:
    outputs = made(tmp_path, 1)
    child = os.fork()
    if child == 0:
        lease = outputs.pop().lease
        assert isinstance(lease, Lease)
        lease._end()  # as the interpreter does at its end
        os._exit(0)
    os.waitpid(child, 0)
    assert evict(tmp_path / "store", 0).in_use == 1


def test_a_step_that_is_being_made_stays(tmp_path: Path) -> None:
    def action(space: Workspace) -> None:
        large(space)
        assert evict(tmp_path / "store", 0).in_use == 1
        assert (space.out / "file").exists()

    assert new_store(tmp_path).run(a_step(number=1), action).path.exists()


def test_the_work_folder_of_a_failed_compile_goes_like_any_output(tmp_path: Path) -> None:
    def fail(space: Workspace) -> None:
        large(space)
        raise BuildError("no")

    with pytest.raises(BuildError):
        new_store(tmp_path).run(a_step(resumable=True), fail)
    (work,) = (tmp_path / "store/step").iterdir()
    forget()
    assert evict(tmp_path / "store", 3_000_000).freed_bytes == 0
    assert work.exists()
    os.utime(work, (0, 0))  # nobody went on with it
    evict(tmp_path / "store", 3_000_000)
    assert not work.exists()


def test_what_killed_processes_left_goes(tmp_path: Path) -> None:
    made(tmp_path, 1)
    folder = tmp_path / "store/step"
    for name in ("a" * 64 + ".lock", "b" * 64 + ".trash", "c" * 64 + ".arriving"):
        (folder / name).mkdir() if "lock" not in name else (folder / name).touch()
    evict(tmp_path / "store", 3_000_000)
    assert [path.suffix for path in folder.iterdir()] == [""]


def test_outputs_of_a_former_layout_go(tmp_path: Path) -> None:
    (output,) = made(tmp_path, 1)
    (output.path.parent / "meta.json").write_text('{"digest": "1"}')
    os.utime(output.path.parent / "meta.json", (0, 0))
    path = output.path
    del output
    forget()
    evict(tmp_path / "store", 3_000_000)
    assert not path.exists()


def test_a_removed_lock_file_makes_no_second_holder(tmp_path: Path) -> None:
    """clean --cache may remove a lock file while some wait for it."""
    lock = tmp_path / "lock"
    with locked(lock, lambda: None):
        lock.unlink()
        with locked_if_free(lock) as free:
            assert free  # a new file
            with locked_if_free(lock) as again:
                assert not again


def test_clear_removes_all_but_what_is_in_use(tmp_path: Path) -> None:
    paths = [output.path for output in made(tmp_path, 1, 2)]
    forget()
    user = new_store(tmp_path)
    used = user.run(a_step(number=2), refuse)
    done = new_store(tmp_path).clear()
    assert [path.exists() for path in paths] == [False, True]
    assert used.path.exists()
    assert (done.in_use, done.freed_bytes >= 1_000_000) == (1, True)


@pytest.mark.parametrize("damage", ["shorter", "missing", "meta cut off", "meta of another kind", "no folder"])
def test_a_damaged_output_is_seen_and_made_again(tmp_path: Path, damage: str) -> None:
    output = new_store(tmp_path).run(a_step(), fill)
    file, meta = output.path / "file", output.path.parent / "meta.json"
    match damage:
        case "shorter":
            file.chmod(0o644)
            file.write_text("conten")
        case "missing":
            file.unlink()
        case "meta cut off":
            meta.write_text(meta.read_text()[:40])
        case "meta of another kind":
            meta.write_text('["digest"]')
        case _:
            file.unlink()
            (output.path / "link").unlink()
            output.path.rmdir()
    again = new_store(tmp_path).run(a_step(), fill)
    assert not again.cached
    assert (again.path / "file").read_text() == "content"


def test_a_step_that_fails_on_a_damaged_output_says_so_and_the_next_run_is_right(tmp_path: Path) -> None:
    def use(space: Workspace) -> None:
        if (made_one.path / "file").read_text() != "content":
            raise BuildError("the compiler said no")

    store = new_store(tmp_path)
    made_one = store.run(a_step(), fill)
    user = Step(name="user", label="a user", spec={}, inputs={"output": made_one.digest})
    (made_one.path / "file").chmod(0o644)
    (made_one.path / "file").write_text("CONTENT")  # of the same length: looking at sizes doesn't show it
    with pytest.raises(HostError, match="the output in the cache was damaged, and was removed"):
        store.run(user, use)
    assert not store.run(a_step(), fill).cached
    assert store.run(user, use).path.exists()


def test_all_is_on_the_disk_before_it_counts_as_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    rename, fsync = os.rename, os.fsync

    def flushed(descriptor: int) -> None:
        told.append(("flush", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        told.append(("rename", source.suffix))
        rename(source, target)

    monkeypatch.setattr("os.fsync", flushed)
    monkeypatch.setattr("os.rename", renamed)
    new_store(tmp_path).run(a_step(), fill)
    finish = told.index(("rename", ".work"))
    before = {name for kind, name in told[:finish] if kind == "flush"}
    assert {"file", "out", "meta.json"} <= before
    assert told[finish + 1] == ("flush", "step")


@pytest.mark.parametrize("by_key", [False, True])
def test_after_a_power_cut_a_large_output_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_key: bool
) -> None:
    def fill_many(space: Workspace) -> None:
        for number in range(40):
            (space.out / f"{number}").write_text("content")

    def lost(boot: str) -> None:
        """As ext4 and XFS leave files that were not written yet: with the right name, and empty."""
        monkeypatch.setattr("unilinux.core.localstore._boot_id", lambda: boot)
        (made_one.path / "7").chmod(0o644)
        (made_one.path / "7").write_text("")
        (made_one.path / "8").chmod(0o644)
        (made_one.path / "8").write_text("contentcontent")  # the sum of the sizes is as it was

    made_one = new_store(tmp_path).run(a_step(by_key=by_key), fill_many)
    monkeypatch.setattr("unilinux.core.localstore._boot_id", lambda: "the next boot")
    assert new_store(tmp_path).run(a_step(by_key=by_key), refuse).cached
    lost("the next boot")
    assert new_store(tmp_path).run(a_step(by_key=by_key), refuse).cached  # it isn't looked through twice
    lost("another boot")
    again = new_store(tmp_path).run(a_step(by_key=by_key), fill_many)
    assert not again.cached
    assert (again.path / "7").read_text() == "content"
