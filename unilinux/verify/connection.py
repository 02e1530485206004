# SPDX-License-Identifier: GPL-2.0-only
"""A connection that the guest itself has accepted, and a conversation over it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from unilinux.core.errors import VmError
from unilinux.verify.attempts import LostReplyError, Patience, Server, Verdict
from unilinux.verify.tls import secured
from unilinux.vm.protocols.stream import ProtocolError

_LOOK_AGAIN_S = 0.02


@contextmanager
def connected(server: Server, port: int, patience: Patience, *, tls: bool = False) -> Iterator[socket.socket]:
    """A connection to a port of the guest that the guest has accepted; with ``tls``, TLS has begun on it.

    QEMU accepts a connection before the guest does, and drops it if the guest doesn't listen. So
    nothing is sent before the guest has it: what is sent twice may be executed twice.

    :raise OSError: nobody accepted the connection in time, or it was reset.
    :raise EOFError: it was closed without a word.
    :raise ProtocolError: the server doesn't speak TLS.
    """
    deadline = time.monotonic() + patience.first_s
    with server.connect(port, patience.first_s) as stream:
        stream.settimeout(_LOOK_AGAIN_S)
        while not (_has_accepted(server, port) or _talks(stream)):
            if time.monotonic() >= deadline:
                raise TimeoutError("the guest did not accept the connection")
        stream.settimeout(patience.further_s)
        if not tls:
            yield stream
            return
        with secured(stream) as wrapped:
            yield wrapped


def converse(
    stream: socket.socket,
    exchanges: Sequence[tuple[str, bytes, str]],
    read: Callable[[BinaryIO, str], str],
) -> Verdict | None:
    """Send requests one after the other and compare the replies: what went wrong, or None.

    An exchange is what is said for people, its bytes, and the expected reply, which ``read``
    gets too. An answer is waited for as long as there is time: a request is never sent again
    because its answer is slow.

    :raise OSError: the connection broke before the first reply, or the reply didn't come in time.
    :raise EOFError: the connection ended before the first reply.
    :raise LostReplyError: it ended, or was silent, before a later one.
    """
    with stream.makefile("rb") as file:
        for number, (said, data, expected) in enumerate(exchanges):
            try:
                stream.sendall(data)
                reply = read(file, expected)
            except ProtocolError as error:
                return Verdict(ok=False, detail=f"{said}: {error}")
            except (OSError, EOFError) as error:
                if number == 0:
                    raise
                # What came before was executed, and must not be a second time.
                why = str(error) or type(error).__name__
                raise LostReplyError(f"{said}: no reply after {number} others ({why})") from error
            if reply != expected:
                return Verdict(ok=False, detail=f"{said}: expected {expected!r}, got {reply!r}")
    return None


def _has_accepted(server: Server, port: int) -> bool:
    try:
        return server.has_accepted(port)
    except VmError as error:  # the machine has ended, which whoever asks finds out
        raise ConnectionError(error.message) from error


def _talks(stream: socket.socket) -> bool:
    try:
        if stream.recv(1, socket.MSG_PEEK):
            return True
    except TimeoutError:
        return False
    raise EOFError("the connection was closed")
