# SPDX-License-Identifier: GPL-2.0-only
"""Reading answers piece by piece."""

from __future__ import annotations

from typing import BinaryIO

MOST_BYTES = 1 << 20
"""A longer line, or a longer value, is no answer that anything here expects."""


class ProtocolError(Exception):
    """The other side doesn't speak the protocol; the message shows what it said."""


def read_line(file: BinaryIO) -> bytes:
    """A line without its end, which is CR LF or LF.

    :raise EOFError: the stream ended before the line did.
    """
    line = file.readline(MOST_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError("the connection ended within an answer" if line else "the connection ended without an answer")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def read_exactly(file: BinaryIO, count: int) -> bytes:
    """So many bytes.

    :raise EOFError: the stream ended before.
    """
    data = file.read(count)
    if len(data) < count:
        raise EOFError("the connection ended within an answer")
    return data
