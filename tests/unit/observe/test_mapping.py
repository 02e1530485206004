# SPDX-License-Identifier: GPL-2.0-only
"""Usage for a kernel of two objects and a file system, on the excerpts of the kernel's own Makefiles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.observe.coverage import KernelFunction, ObjectUse
from unilinux.observe.makefiles import Gates
from unilinux.observe.mapping import Mapper
from unilinux.observe.sources import Sources
from unilinux.observe.syscalls import SystemCall
from unilinux.observe.trace import APPLICATION, INIT, CallUse
from unilinux.observe.traced_boot import Trace
from unilinux.observe.usage import Unavailable, Usage, call_lines, object_line

EXCERPTS = Path(__file__).parents[2] / "data/observe/tree"
ON = ("EPOLL", "EVENTFD", "HZ_100", "MMU", "NET", "SMP_CODE", "SYSCTL", "UNIX")

POLL = CallUse(by=APPLICATION, number=281, name="epoll_pwait", place="serve", chain=("epoll_wait", "serve"), count=7)
PAIR = CallUse(by=APPLICATION, number=53, name="socketpair", detail="AF_UNIX, SOCK_STREAM", place="spawn")
TIMER = CallUse(by=APPLICATION, number=283, name="timerfd_create", place="tick", failures={"ENOSYS": 1})
OPENED = CallUse(
    by=APPLICATION, number=2, name="open", detail="/ram/stat", place="stats", count=2, failures={"ENOENT": 2}
)
MOUNTED = CallUse(by=INIT, number=165, name="mount", detail="ramfs on /ram, MS_NOSUID")


@pytest.fixture
def evidence(tmp_path: Path) -> Usage:
    tree = tmp_path / "tree"
    shutil.copytree(EXCERPTS, tree)
    (tree / "net/unix/af_unix.c").write_text(
        "static const struct net_proto_family unix_family_ops = {\n\t.family = PF_UNIX,\n};\n"
    )
    (tree / "fs/ramfs/file-mmu.c").write_text(
        'static struct file_system_type ramfs_fs_type = {\n\t.name\t= "ramfs",\n};\n'
        "#ifdef CONFIG_SMP_CODE\nvoid on_many(void)\n{\n}\n#endif\n"
    )
    (tree / "fs/timerfd.c").write_text("SYSCALL_DEFINE2(timerfd_create, int, clockid, int, flags)\n{\n}\n")
    objects = (
        ObjectUse(path="fs/eventfd.o", boot=("eventfd_init",), idle=("eventfd_read",)),
        ObjectUse(path="fs/eventpoll.o", used=("do_epoll_wait", "ep_poll"), boot=("eventpoll_init",), idle=("ep_x",)),
        ObjectUse(path="fs/ramfs/file-mmu.o", used=("ramfs_read",), boot=("on_many",)),
        ObjectUse(path="net/unix/af_unix.o", idle=("unix_create",)),
    )
    mapper = Mapper(
        recording=Trace(calls=(MOUNTED, POLL, PAIR, TIMER, OPENED), objects=objects),
        functions=(
            KernelFunction(1, 1, "__x64_sys_epoll_pwait", "fs/eventpoll.o"),
            KernelFunction(2, 1, "__x64_sys_timerfd_create", "kernel/sys_ni.o"),
            KernelFunction(3, 1, "__x64_sys_open", "fs/open.o"),
        ),
        table={
            281: SystemCall(281, "epoll_pwait", "sys_epoll_pwait"),
            283: SystemCall(283, "timerfd_create", "sys_timerfd_create"),
            2: SystemCall(2, "open", "sys_open"),
        },
        sizes={"fs/eventpoll.o": 10_000, "fs/eventfd.o": 2000, "net/unix/af_unix.o": 25_000},
        symbols=ON,
        gates=Gates(tree, ON.__contains__),
        sources=Sources(tree, ON.__contains__),
    )
    return mapper.evidence({"image": "toy"})


def test_a_symbol_in_use_has_its_calls_and_functions(evidence: Usage) -> None:
    epoll = evidence.of("CONFIG_EPOLL")
    assert epoll.status == "used"
    assert epoll.calls == ("epoll_pwait in serve: 7 ×",)
    assert epoll.functions == (
        "fs/eventpoll.o: 2 of 4 functions ran in use (do_epoll_wait, ep_poll), 1 only at start or end",
    )
    assert (epoll.ran, epoll.objects, epoll.size) == ((2, 1, 1), ("fs/eventpoll.o",), 10_000)


def test_arguments_are_evidence_too(evidence: Usage) -> None:
    assert evidence.of("UNIX").calls == ("socketpair(AF_UNIX, SOCK_STREAM) in spawn: 1 ×",)
    assert evidence.of("NET").status == "used"
    # A file below a mount point is one of that file system, which file-mmu.o brings here.
    assert evidence.of("MMU").calls == (
        "open(/ram/stat) in stats: 2 ×, 2 × ENOENT",
        "mount(ramfs on /ram, MS_NOSUID) by init: 1 ×",
    )


def test_symbols_without_evidence_are_told_from_those_that_bring_no_code(evidence: Usage) -> None:
    assert [(one.symbol, one.status) for one in evidence.without_evidence] == [
        ("EVENTFD", "boot"),
        ("SMP_CODE", "boot"),
    ]
    assert evidence.of("SMP_CODE").functions[0].endswith("(on_many), under #ifdef")
    assert {one.symbol for one in evidence.with_status("unseen")} == {"HZ_100", "SYSCTL"}


def test_what_was_asked_for_in_vain(evidence: Usage) -> None:
    assert evidence.unavailable == (
        Unavailable("timerfd_create in tick: 1 ×, 1 × ENOSYS", ("TIMERFD",)),
        Unavailable("open(/ram/stat) in stats: 2 ×, 2 × ENOENT", ()),
    )


def test_evidence_comes_back_from_its_file(evidence: Usage, tmp_path: Path) -> None:
    path = tmp_path / "observed.json"
    path.write_text(json.dumps(evidence.document()))
    assert Usage.read(path) == evidence
    path.write_text('{"schema": 0}')
    with pytest.raises(UsageError, match="another version"):
        Usage.read(path)
    with pytest.raises(UsageError, match=r"cannot read .*gone"):
        Usage.read(tmp_path / "gone")


def test_a_symbol_that_is_not_on(evidence: Usage) -> None:
    with pytest.raises(UsageError, match=r"no symbol .* 'EPOL'.*did you mean 'EPOLL'"):
        evidence.of("EPOL")


def test_lines_add_up_what_differs_only_by_callers() -> None:
    other = CallUse(by=APPLICATION, number=281, name="epoll_pwait", place="serve", chain=("x",), count=3)
    assert call_lines([POLL, other]) == ("epoll_pwait in serve: 10 ×",)


def test_lines_of_objects() -> None:
    many = ObjectUse(path="a.o", used=tuple("abcdefgh"))
    assert object_line(many, most=2) == "a.o: 8 of 8 functions ran in use (a, b, …)"
    assert object_line(ObjectUse(path="b.o", idle=("x",))) == "b.o: none of 1 functions ran"
