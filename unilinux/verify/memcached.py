# SPDX-License-Identifier: GPL-2.0-only
"""memcached: commands and the lines that they are answered with."""

from __future__ import annotations

from typing import BinaryIO

from unilinux.app.checks.dialogue import MemcachedCheck
from unilinux.verify.attempts import Patience, Server, Verdict
from unilinux.verify.connection import connected, converse
from unilinux.vm.protocols.memcached import END, encode
from unilinux.vm.protocols.stream import read_line


def ask_memcached(check: MemcachedCheck, server: Server, patience: Patience) -> Verdict:
    """Send the commands of ``check`` over one connection and judge the replies.

    :raise OSError: the connection broke before the first reply.
    :raise EOFError: it ended before the first reply.
    :raise LostReplyError: it broke or ended before a later one.
    """
    exchanges = [
        (repr(command), encode(command), reply) for command, reply in zip(check.commands, check.replies, strict=True)
    ]
    with connected(server, check.port, patience) as stream:
        failed = converse(stream, exchanges, _read)
    return failed or Verdict(ok=True, detail=f"{len(exchanges)} commands on port {check.port} got the expected replies")


def _read(file: BinaryIO, expected: str) -> str:
    """As many lines as are expected, or fewer, up to the first that is another: then no more may come."""
    lines: list[str] = []
    for wanted in expected.split(END):
        lines.append(read_line(file).decode(errors="replace"))
        if lines[-1] != wanted:
            break
    return END.join(lines)
