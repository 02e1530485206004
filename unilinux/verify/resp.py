"""RESP, the protocol of Redis: commands and their replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from unilinux.app.checks import RespCheck
from unilinux.verify.attempts import Patience, Server, Verdict

_LOADING = "LOADING"
_MOST_BYTES = 1 << 20


class ProtocolError(Exception):
    """The other side doesn't speak RESP."""


def ask_resp(check: RespCheck, server: Server, patience: Patience) -> Verdict:
    """Send the commands of ``check`` over one connection and judge the replies.

    :raise OSError: the connection broke.
    :raise EOFError: it ended before the last reply, or the server is still loading.
    """
    with (
        server.connect(check.port, patience.first_s) as stream,
        stream.makefile("rb") as file,
    ):
        for command, expected in zip(check.commands, check.replies, strict=True):
            said = " ".join(command)
            stream.sendall(encode(command))
            try:
                reply = read_reply(file)
            except ProtocolError as error:
                return Verdict(ok=False, detail=f"{said}: {error}")
            if reply.startswith(_LOADING):
                raise EOFError(reply)
            if reply != expected:
                return Verdict(ok=False, detail=f"{said}: expected {expected!r}, got {reply!r}")
            # It is there: another attempt would give its commands twice.
            stream.settimeout(patience.further_s)
    return Verdict(ok=True, detail=f"{len(check.commands)} commands on port {check.port} got the expected replies")


def encode(command: Sequence[str]) -> bytes:
    """A command as an array of bulk strings."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def read_reply(file: BinaryIO) -> str:
    """A reply as text without its framing: an absent value is ``(nil)``, the elements of an array are lines.

    :raise EOFError: the stream ended within the reply.
    :raise ProtocolError: it isn't RESP.
    """
    line = _line(file)
    kind, text = line[:1], line[1:]
    if kind in (b"+", b"-", b":"):
        return text.decode(errors="replace")
    if kind in (b"$", b"*"):
        try:
            count = int(text)
        except ValueError:
            raise ProtocolError(f"not RESP: {line!r}") from None
        if count > _MOST_BYTES:
            raise ProtocolError(f"a reply of {count} bytes or elements")
        if count < 0:
            return "(nil)"
        if kind == b"*":
            return "\n".join(read_reply(file) for _ in range(count))
        return _exactly(file, count + 2)[:-2].decode(errors="replace")
    raise ProtocolError(f"not RESP: {line!r}")


def _line(file: BinaryIO) -> bytes:
    line = file.readline(_MOST_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError("the connection ended within a reply" if line else "the connection ended without a reply")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("the connection ended within a reply")
    return data
