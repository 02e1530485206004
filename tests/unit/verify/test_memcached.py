# SPDX-License-Identifier: GPL-2.0-only
"""memcached's text protocol."""

from __future__ import annotations

import socket

import pytest

from tests.unit.verify.server import At, hang_up, serving
from unilinux.app.checks.dialogue import MemcachedCheck
from unilinux.verify.attempts import Patience
from unilinux.verify.memcached import ask_memcached

CHECK = MemcachedCheck(
    kind="memcached",
    port=11211,
    commands=("set k 0 0 5\r\nhello", "get k"),
    replies=("STORED", "VALUE k 0 5\r\nhello\r\nEND"),
)

PATIENCE = Patience(10, 10)


def test_replies_of_several_lines_as_promised() -> None:
    seen: list[bytes] = []

    def script(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        connection.sendall(b"STORED\r\n")
        seen.append(connection.recv(4096))
        connection.sendall(b"VALUE k 0 5\r\nhello\r\n")
        connection.sendall(b"END\r\n")

    with serving(script) as port:
        verdict = ask_memcached(CHECK, At(port), PATIENCE)
    assert verdict.ok
    assert seen == [b"set k 0 0 5\r\nhello\r\n", b"get k\r\n"]


def test_other_reply_is_shown() -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"SERVER_ERROR out of memory\r\n")

    with serving(script) as port:
        verdict = ask_memcached(CHECK, At(port), PATIENCE)
    assert not verdict.ok
    assert verdict.detail == r"'set k 0 0 5\r\nhello': expected 'STORED', got 'SERVER_ERROR out of memory'"


def test_no_answer_is_worth_another_attempt() -> None:
    with serving(hang_up) as port, pytest.raises((EOFError, OSError)):
        ask_memcached(CHECK, At(port), PATIENCE)
