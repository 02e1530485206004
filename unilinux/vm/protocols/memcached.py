# SPDX-License-Identifier: GPL-2.0-only
"""memcached's text protocol: lines, and the lines they are answered with."""

from __future__ import annotations

import re
from typing import BinaryIO

from unilinux.vm.protocols.stream import ProtocolError, read_exactly, read_line

END = "\r\n"


def encode(command: str) -> bytes:
    """A command: one line, or two where data follows."""
    return (command + END).encode()


def read_value(file: BinaryIO) -> str:
    """The first line of a reply, which is read whole: a ``VALUE`` goes on with its data and ``END``.

    :raise EOFError: the stream ended before.
    :raise ProtocolError: a value doesn't end as it should.
    """
    line = read_line(file).decode(errors="replace")
    if found := re.fullmatch(r"VALUE \S+ \d+ (\d+)", line):
        read_exactly(file, int(found[1]) + len(END))
        if (last := read_line(file)) != b"END":
            raise ProtocolError(f"not the end of a value: {last!r}")
    return line
