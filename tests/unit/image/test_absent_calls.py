# SPDX-License-Identifier: GPL-2.0-only
"""System calls that programs make, and a configuration without them."""

from __future__ import annotations

from typing import cast

import pytest

from unilinux.image.absent_calls import SYMBOLS, absent_calls, notes_on
from unilinux.kconfig.resolved import Resolved
from unilinux.redirect.scan import Scan

NAMES = {1: "write", 202: "futex", 213: "epoll_create", 291: "epoll_create1"}


class Config:
    def __init__(self, **symbols: str) -> None:
        self.symbols = symbols

    def value(self, name: str) -> str:
        return self.symbols.get(name, "n")


def scan(numbers: dict[int, tuple[str, ...]], program: str = "/bin/server") -> Scan:
    return Scan(program=program, named=True, numbers=numbers, unknown_calls=(), privileged=())


def config(**symbols: str) -> Resolved:
    return cast("Resolved", Config(**symbols))


def test_a_call_without_its_symbol_is_named_with_it() -> None:
    found = absent_calls([scan({1: ("write+0x1",), 291: ("epoll_create1+0x12",)})], config(), NAMES)
    assert [(one.program, one.call, one.place, one.symbol) for one in found] == [
        ("/bin/server", "epoll_create1", "epoll_create1+0x12", "EPOLL")
    ]
    (line,) = notes_on(found)
    assert line.startswith("/bin/server can make system calls that this kernel doesn't have")
    assert line.endswith(": epoll_create1 (EPOLL)")


def test_what_is_configured_is_no_matter() -> None:
    assert absent_calls([scan({291: ("epoll_create1+0x12",)})], config(EPOLL="y"), NAMES) == ()


def test_what_only_the_c_library_tries_for_itself_is_no_matter() -> None:
    assert absent_calls([scan({202: ("__lock+0x3c", "__wait+0x1")})], config(), NAMES) == ()
    assert len(absent_calls([scan({202: ("__lock+0x3c", "main+0x1")})], config(), NAMES)) == 1


def test_each_program_has_a_line() -> None:
    calls: dict[int, tuple[str, ...]] = {213: ("main+1",), 291: ("main+2",)}
    lines = notes_on(absent_calls([scan(calls, "/a"), scan(calls, "/b")], config(), NAMES))
    assert [line.split(" ")[0] for line in lines] == ["/a", "/b"]
    assert lines[0].endswith("epoll_create (EPOLL), epoll_create1 (EPOLL)")


@pytest.mark.parametrize(("call", "symbol"), [("signalfd4", "SIGNALFD"), ("setuid", "MULTIUSER"), ("socket", "NET")])
def test_some_of_the_table(call: str, symbol: str) -> None:
    assert SYMBOLS[call] == symbol
