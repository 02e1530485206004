# SPDX-License-Identifier: GPL-2.0-only
"""Redis: commands and the replies that they get."""

from __future__ import annotations

from typing import BinaryIO

from unilinux.app.checks.dialogue import RespCheck
from unilinux.verify.attempts import Patience, Server, Verdict
from unilinux.verify.connection import connected, converse
from unilinux.vm.protocols.resp import LOADING, encode, read_reply


def ask_resp(check: RespCheck, server: Server, patience: Patience) -> Verdict:
    """Send the commands of ``check`` over one connection and judge the replies.

    :raise OSError: the connection broke before the first reply.
    :raise EOFError: it ended before the first reply, or the server is still loading.
    :raise LostReplyError: it broke or ended before a later one.
    """
    exchanges = [
        (" ".join(command), encode(command), reply)
        for command, reply in zip(check.commands, check.replies, strict=True)
    ]
    with connected(server, check.port, patience) as stream:
        failed = converse(stream, exchanges, _read)
    return failed or Verdict(ok=True, detail=f"{len(exchanges)} commands on port {check.port} got the expected replies")


def _read(file: BinaryIO, _expected: str) -> str:
    reply = read_reply(file)
    if reply.startswith(LOADING):  # it has executed nothing
        raise EOFError(reply)
    return reply
