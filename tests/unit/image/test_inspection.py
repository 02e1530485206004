# SPDX-License-Identifier: GPL-2.0-only
"""What an image's programs lead to: a list of system calls, warnings, or a refusal."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.recorder import Recorder
from unilinux.core.errors import BuildError
from unilinux.core.events import Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output
from unilinux.core.tree import File, Tree
from unilinux.image.entry import Entry
from unilinux.image.inspection import Inspection, inspect, system_call_names

CLEAN = "mov $60, %eax\n syscall\n ud2"
PRIVILEGED = "cli\n" + CLEAN
UNKNOWN = "mov 8(%rsp), %rax\n syscall\n ud2"

Look = Callable[..., Inspection]


@pytest.fixture
def told() -> Recorder:
    return Recorder()


@pytest.fixture
def look(tmp_path: Path, told: Recorder) -> Look:
    """Inspect an image of one program, of which the build kept a copy with symbols."""

    def run(code: str, entry: Entry, *, refuse: bool = False, path: str = "/bin/server") -> Inspection:
        built = tmp_path / "built"
        (built / ".symbols").mkdir(parents=True)
        source = tmp_path / "a.S"
        source.write_text(f".globl _start\n.type _start, @function\n_start: {code}\n")
        for name, flags in (("server", ["-s"]), (".symbols/server", [])):
            command: list[str | Path] = ["gcc", "-nostdlib", "-static", "-no-pie", *flags, "-o", built / name, source]
            subprocess.run(command, check=True, capture_output=True)
        rootfs = Tree.of([File(path, built / "server", 0o755), File("/etc/motd", b"hi\n")])
        progress = Progress(told)
        store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=progress)
        output = Output("app", "key", built, "digest", cached=True, seconds=0.0)
        return inspect(rootfs, output, entry, refuse=refuse, store=store, progress=progress)

    return run


def test_the_list_is_what_the_programs_make(look: Look, told: Recorder) -> None:
    found = look(CLEAN, Entry(ring=0, syscall="lean", kept="used"))
    assert found.kept == (60,)
    assert found.to_json({60: "exit"})["system_calls"] == ["exit"]
    assert told.notes == []


def test_with_all_calls_in_ring_3_nobody_looks(look: Look) -> None:
    assert look(PRIVILEGED, Entry(ring=3, syscall="trap")) == Inspection()


def test_privileged_instructions_are_a_warning_that_names_the_function(look: Look, told: Recorder) -> None:
    found = look(PRIVILEGED, Entry(ring=0, syscall="lean"))
    assert found.kept is None
    assert told.notes[0].startswith("warning: /bin/server: cli, in _start at 0x")
    (entry,) = found.to_json({})["privileged_instructions"]
    assert (entry["program"], entry["function"], entry["instruction"]) == ("/bin/server", "_start", "cli")


def test_in_ring_3_they_are_none(look: Look, told: Recorder) -> None:
    look(PRIVILEGED, Entry(ring=3, syscall="trap", kept="used"), refuse=True)
    assert told.notes == []


def test_a_profile_can_refuse_them(look: Look) -> None:
    with pytest.raises(BuildError, match="privileged instructions") as caught:
        look(PRIVILEGED, Entry(ring=0, syscall="lean"), refuse=True)
    assert "cli, in _start" in caught.value.details[0]
    assert "--ring 3" in (caught.value.hint or "")


def test_what_stands_behind_the_end_of_our_init_does_not_count(look: Look) -> None:
    found = look(PRIVILEGED, Entry(ring=0, syscall="lean", kept="used"), refuse=True, path="/init")
    assert found.to_json({})["privileged_instructions"] == []
    assert found.kept == (60,)


def test_what_cannot_be_told_keeps_all_and_says_so(look: Look, told: Recorder) -> None:
    found = look(UNKNOWN, Entry(ring=0, syscall="lean", kept="used"))
    assert found.kept is None
    assert found.to_json({})["system_calls"] == "all"
    assert found.to_json({})["unknown_system_calls"][0]["place"] == "_start+0x5"
    assert told.notes[0] == "warning: all system calls are kept, as it can't be told which are made"
    assert "/bin/server: _start+0x5" in told.notes[1]


def test_who_insists_gets_an_error(look: Look) -> None:
    with pytest.raises(BuildError, match="can't be told which system calls") as caught:
        look(UNKNOWN, Entry(ring=0, syscall="lean", kept="used", insisted=True))
    assert caught.value.hint == "--syscalls all"
    assert caught.value.details == ("/bin/server: _start+0x5: the number comes from memory or a computation",)


def test_names_come_from_the_headers(tmp_path: Path) -> None:
    (tmp_path / "include/asm").mkdir(parents=True)
    (tmp_path / "include/asm/unistd_64.h").write_text("#ifndef X\n#define __NR_read 0\n#define __NR_write 1\n#endif\n")
    assert system_call_names(tmp_path) == {0: "read", 1: "write"}
