# SPDX-License-Identifier: GPL-2.0-only
"""The table of symbols that a kernel has for its stack traces (CONFIG_KALLSYMS), read from its memory.

scripts/kallsyms.c lays it out, in Linux 6.4 and later, in this order, each at a multiple of 8:
the number of symbols, their names compressed, a marker for each 256th, 256 tokens, where each
token begins, an offset for each symbol, and the base of the offsets. Nothing says where that
is, but the ten digits always stand for themselves among the tokens.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from unilinux.core.errors import BuildError

_TOKENS = 256
_ZERO = ord("0")
_DIGITS = b"".join(b"%c\0" % digit for digit in b"0123456789")
_WORD = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Symbol:
    """``kind`` is the letter of nm."""

    address: int
    kind: str
    name: str

    def line(self) -> str:
        """As in System.map."""
        return f"{self.address:016x} {self.kind} {self.name}"


def read_kallsyms(memory: bytes, text: int) -> tuple[Symbol, ...]:
    """All symbols of a kernel, sorted by address.

    :param memory: the kernel, as it lies in memory.
    :param text: the address that it is linked to, ``_text``, which is the base of its offsets.
    :raise BuildError: it carries no such table, or one of another layout.
    """
    for tokens, offsets in _token_tables(memory):
        for count in _counts(memory, offsets, text):
            names = _names(memory, tokens, count, before=offsets)
            if names is not None:
                found = zip(_addresses(memory, offsets, count, text), names, strict=True)
                return tuple(sorted((Symbol(address, name[0], name[1:]) for address, name in found), key=_by_address))
    raise BuildError("this kernel carries no table of its symbols (CONFIG_KALLSYMS), or one of an unknown layout")


def _by_address(symbol: Symbol) -> int:
    return symbol.address


def _token_tables(memory: bytes) -> Iterator[tuple[tuple[bytes, ...], int]]:
    """The tokens of each place that looks like such a table, and where its offsets begin."""
    place = -1
    while (place := memory.find(_DIGITS, place + 1)) >= 0:
        end = place
        for _ in range(_TOKENS - _ZERO):
            end = memory.find(b"\0", end) + 1
        index_at = _aligned(end)
        if end == 0 or index_at + 2 * _TOKENS > len(memory):
            continue
        index = struct.unpack_from(f"<{_TOKENS}H", memory, index_at)
        begin = place - index[_ZERO]
        if index[0] == 0 and begin >= 0 and index[_ZERO + 1] == index[_ZERO] + 2:
            tokens = tuple(memory[begin + at : memory.index(b"\0", begin + at)] for at in index)
            yield tokens, _aligned(index_at + 2 * _TOKENS)


def _counts(memory: bytes, offsets: int, text: int) -> Iterator[int]:
    """How many offsets there may be: up to the base, which is at a multiple of 8."""
    base = offsets
    while (base := memory.find(_WORD.pack(text), base)) >= 0:
        if base % 8 == 0:
            yield from ((base - offsets) // 4, (base - offsets) // 4 - 1)
            return
        base += 1


def _names(memory: bytes, tokens: tuple[bytes, ...], count: int, *, before: int) -> list[str] | None:
    """The names, where the number of symbols stands before them and the first markers behind them."""
    place = before
    while count > 0 and (place := memory.rfind(struct.pack("<Q", count), 0, place)) >= 0:
        if place % 8 == 0:
            found = _decoded(memory, tokens, count, place + 8)
            if found is not None:
                return found
    return None


def _decoded(memory: bytes, tokens: tuple[bytes, ...], count: int, at: int) -> list[str] | None:
    begin, second_marker, names = at, 0, []
    for number in range(count):
        if number == _TOKENS:
            second_marker = at - begin
        length, at = memory[at], at + 1
        if length & 0x80:
            length, at = (length & 0x7F) | memory[at] << 7, at + 1
        name = b"".join(tokens[token] for token in memory[at : at + length])
        at += length
        if len(name) < 2 or at >= len(memory):
            return None
        names.append(name.decode("ascii", errors="replace"))
    markers = struct.unpack_from("<2I", memory, _aligned(at))
    return names if markers[0] == 0 and (count <= _TOKENS or markers[1] == second_marker) else None


def _addresses(memory: bytes, offsets: int, count: int, base: int) -> Iterator[int]:
    """CONFIG_KALLSYMS_ABSOLUTE_PERCPU: what is positive is an address itself, the others count from the base."""
    for offset in struct.unpack_from(f"<{count}i", memory, offsets):
        yield offset if offset >= 0 else base - 1 - offset


def _aligned(place: int) -> int:
    return -(-place // 8) * 8
