# SPDX-License-Identifier: GPL-2.0-only
"""RESP, the protocol of Redis: commands and their replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from unilinux.vm.protocols.stream import MOST_BYTES, ProtocolError, read_exactly, read_line

LOADING = "LOADING"
"""How the reply of a server begins that isn't ready yet."""
_ABSENT = b""


def encode(command: Sequence[str]) -> bytes:
    """A command as an array of bulk strings."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def read_reply(file: BinaryIO) -> str:
    """A reply as text without its framing: an absent value is ``(nil)``, the elements of an array are lines.

    :raise EOFError: the stream ended within the reply.
    :raise ProtocolError: it isn't RESP.
    """
    return _read(file)[1]


def read_value(file: BinaryIO) -> str:
    """A reply that is neither an error nor an absent value.

    :raise EOFError: the stream ended within the reply.
    :raise ProtocolError: it isn't RESP, or no value.
    """
    kind, reply = _read(file)
    if kind in (b"-", _ABSENT):
        raise ProtocolError(f"not a value: {reply!r}")
    return reply


def _read(file: BinaryIO) -> tuple[bytes, str]:
    line = read_line(file)
    kind, text = line[:1], line[1:]
    if kind in (b"+", b"-", b":"):
        return kind, text.decode(errors="replace")
    if kind in (b"$", b"*"):
        try:
            count = int(text)
        except ValueError:
            raise ProtocolError(f"not RESP: {line!r}") from None
        if count > MOST_BYTES:
            raise ProtocolError(f"a reply of {count} bytes or elements")
        if count < 0:
            return _ABSENT, "(nil)"
        if kind == b"*":
            return kind, "\n".join(read_reply(file) for _ in range(count))
        return kind, read_exactly(file, count + 2)[:-2].decode(errors="replace")
    raise ProtocolError(f"not RESP: {line!r}")
