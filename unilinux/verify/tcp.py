# SPDX-License-Identifier: GPL-2.0-only
"""TCP: a connection that the guest itself accepts, and a conversation over it."""

from __future__ import annotations

import contextlib
import re
import socket
import time

from unilinux.app.checks.tcp import TcpCheck, TcpStep
from unilinux.verify.attempts import LostReplyError, Patience, Server, Verdict, excerpt
from unilinux.verify.connection import connected
from unilinux.vm.protocols.stream import MOST_BYTES, ProtocolError

_CHUNK_BYTES = 1 << 16
# The rest of a wrong answer, and whether the server closes then, are waited for as long.
_REST_S = 0.2
# So much of what two texts have in common is shown at most.
_COMMON_BYTES = 100


def ask_tcp(check: TcpCheck, server: Server, patience: Patience) -> Verdict:
    """Connect, see the guest accept that, and go through the steps of ``check``.

    :raise OSError: nobody accepted the connection, or it was reset.
    :raise EOFError: it was closed before anything was said.
    :raise LostReplyError: it was closed later.
    """
    try:
        return _conversation(check, server, patience)
    except ProtocolError as error:
        return Verdict(ok=False, detail=f"port {check.port}: {error}")


def _conversation(check: TcpCheck, server: Server, patience: Patience) -> Verdict:
    with connected(server, check.port, patience, tls=check.tls) as stream:
        if not check.steps:
            speaks = " and speaks TLS" if check.tls else ""
            return Verdict(ok=True, detail=f"port {check.port} accepts connections{speaks}")
        talk = _Talk(stream, patience.further_s)
        for number, step in enumerate(check.steps, start=1):
            if (problem := talk.go_through(step)) is not None:
                detail = f"port {check.port}, step {number}: {problem}"
                if not talk.is_closed:
                    return Verdict(ok=False, detail=detail)
                raise LostReplyError(detail) if talk.has_begun else EOFError(detail)
    return Verdict(ok=True, detail=f"{len(check.steps)} steps on port {check.port} went as expected")


class _Talk:
    """A conversation, up to a deadline."""

    def __init__(self, stream: socket.socket, patience_s: float) -> None:
        self.is_closed = False
        self.has_begun = False
        self._stream = stream
        self._patience_s = patience_s
        self._deadline = time.monotonic() + patience_s
        self._came = b""  # and no step has taken it yet
        self._end = ""  # why nothing more came

    def go_through(self, step: TcpStep) -> str | None:
        """Send and expect what the step says: what went wrong, or None."""
        problem = self._send(step.request) if step.request else None
        if problem is None and step.reply:
            problem = self._take(step.reply)
        elif problem is None and step.expect_line is not None:
            problem = self._take_line(step.expect_line)
        return f"sent {_shown(step.request)}; {problem}" if problem and step.request else problem

    def _send(self, data: bytes) -> str | None:
        self.has_begun = True
        self._stream.settimeout(_left_s(self._deadline))
        try:
            # That the server has closed is told with what it said before, when something is expected of it.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._stream.sendall(data)
        except TimeoutError:
            return f"the server didn't take all of it within {self._patience_s:g} s"
        return None

    def _take(self, expected: bytes) -> str | None:
        while expected.startswith(self._came) and expected != self._came and self._has_more():
            pass
        if self._came.startswith(expected):
            self._came = self._came[len(expected) :]
            return None
        pairs = enumerate(zip(expected, self._came, strict=False))
        same = next((place for place, (one, other) in pairs if one != other), len(self._came))
        if same <= _COMMON_BYTES:
            return self._complaint(_shown(expected))
        self._came = self._came[same:]
        return f"after {same} bytes as expected, {self._complaint(_shown(expected[same:]))}"

    def _take_line(self, pattern: str) -> str | None:
        while b"\n" not in self._came and len(self._came) < MOST_BYTES and self._has_more():
            pass
        line, end, rest = self._came.partition(b"\n")
        if end and re.search(pattern, line.removesuffix(b"\r").decode(errors="replace")):
            self._came = rest
            return None
        return self._complaint(f"a line in which {pattern!r} is found")

    def _complaint(self, expected: str) -> str:
        """That something else came: all of it, and why nothing more did."""
        until = time.monotonic() + _REST_S
        while not self._end and len(self._came) < MOST_BYTES and self._has_more(until):
            pass
        got = _shown(self._came) if self._came else "nothing"
        return f"expected {expected}, got {got}" + (f"; {self._end}" if self._end else "")

    def _has_more(self, until: float | None = None) -> bool:
        """Wait for more bytes, to the deadline or ``until`` another time; if no more can come, ``_end`` says why."""
        try:
            self._stream.settimeout(_left_s(until or self._deadline))
            data = self._stream.recv(_CHUNK_BYTES)
        except TimeoutError:
            if until is None:
                self._end = f"nothing more came within {self._patience_s:g} s"
            return False
        except OSError:
            self.is_closed, self._end = True, "the server reset the connection"
            return False
        if not data:
            self.is_closed, self._end = True, "the server closed the connection"
            return False
        self.has_begun = True
        self._came += data
        return True


def _left_s(deadline: float) -> float:
    """The seconds that are left, but never 0, which would mean not to wait at all."""
    return max(0.001, deadline - time.monotonic())


def _shown(data: bytes) -> str:
    """Bytes for people: as text, and in hexadecimal digits where they aren't just text."""
    text = excerpt(data)
    is_text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data)
    return text if is_text else f"{text} (hex {data[:_COMMON_BYTES].hex(' ')})"
