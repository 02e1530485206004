# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.observe.constants import read_constants
from unilinux.observe.syscalls import Arguments, SystemCall, detail, error_name, read_table

STRINGS = {0x10: b"/proc/meminfo", 0x20: b"/etc/passwd", 0x30: b"proc", 0x40: b"/proc", 0x50: b"/developers"}


def test_the_table_is_the_kernels_without_x32(tree: Path) -> None:
    table = read_table(tree)
    assert table[4] == SystemCall(4, "stat", "sys_newstat")
    assert 512 not in table


def test_a_tree_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot read the table of system calls"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("socket", (2, 1 | 0o2004000, 6), "AF_INET, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, IPPROTO_TCP"),
        ("socketpair", (1, 2, 0), "AF_UNIX, SOCK_DGRAM"),
        ("setsockopt", (5, 1, 2), "SOL_SOCKET, SO_REUSEADDR"),
        ("setsockopt", (5, 6, 1), "SOL_TCP, TCP_NODELAY"),
        ("setsockopt", (5, 6, 77), "SOL_TCP, 77"),
        ("ioctl", (1, 0x5421), "FIONBIO"),
        ("ioctl", (1, 0xFFFFFFFF00005421), "FIONBIO"),
        ("fcntl", (3, 6), "F_SETLK"),
        ("openat", (0, 0x10), "/proc/meminfo"),
        ("openat", (0, 0x20), ""),
        ("open", (0x50,), ""),
        ("mount", (0x30, 0x40, 0x30, 0), "proc on /proc"),
        ("mount", (0x30, 0x40, 0x30, 2), "proc on /proc, MS_NOSUID"),
        ("clock_gettime", (1,), "CLOCK_MONOTONIC"),
        ("clock_gettime", (0xFFFFFFFA,), "CPU or file clock"),
        ("futex", (0, 0x81), "FUTEX_WAKE"),
        ("mmap", (0, 4096, 3, 0x22), "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS"),
        ("clone", (0x11,), "SIGCHLD"),
        ("clone", (0x10111,), "CLONE_VM|CLONE_THREAD|SIGCHLD"),
        ("getpid", (), ""),
    ],
)
def test_what_of_the_arguments_matters(tree: Path, name: str, values: tuple[int, ...], words: str) -> None:
    padded = (*values, *(0,) * (6 - len(values)))
    arguments = Arguments(padded, read_constants(tree), lambda address: STRINGS.get(address, b""))
    assert detail(name, arguments) == words


def test_errors_have_names(tree: Path) -> None:
    constants = read_constants(tree)
    assert error_name(-38, constants) == "ENOSYS"
    assert error_name(0, constants) == error_name(5, constants) == ""
    # An address in the upper half is no error.
    assert error_name(-5000, constants) == ""
