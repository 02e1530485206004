# SPDX-License-Identifier: GPL-2.0-only
"""Tables of symbols as scripts/kallsyms.c writes them, laid out by hand."""

from __future__ import annotations

import struct

import pytest

from unilinux.core.errors import BuildError
from unilinux.measure.stock.kallsyms import Symbol, read_kallsyms

TEXT = 0xFFFFFFFF81000000
SYMBOLS = (
    Symbol(0x1000, "A", "per_cpu_start"),
    Symbol(TEXT, "T", "_text"),
    Symbol(TEXT + 0x10, "t", "x" * 150),
    *(Symbol(TEXT + 0x100 + number, "t", f"init_{number}") for number in range(600)),
)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def memory(symbols: tuple[Symbol, ...], *, before: bytes = bytes(64), first_marker: int = 0) -> bytes:
    """A kernel with a table in it; token 1 stands for “init_”."""
    tokens = [bytes((number,)) if 32 < number < 127 else b"?" for number in range(256)]
    tokens[1] = b"init_"
    names, markers = b"", [first_marker]
    for number, symbol in enumerate(symbols):
        if number and number % 256 == 0:
            markers.append(len(names))
        packed = (symbol.kind + symbol.name).encode().replace(b"init_", b"\1")
        length = len(packed)
        names += (bytes((length,)) if length < 128 else bytes((length & 0x7F | 0x80, length >> 7))) + packed
    table = b"".join(token + b"\0" for token in tokens)
    index = [sum(len(token) + 1 for token in tokens[:number]) for number in range(256)]
    offsets = [symbol.address if symbol.address < 1 << 31 else TEXT - 1 - symbol.address for symbol in symbols]
    parts = (
        struct.pack("<Q", len(symbols)),
        names,
        struct.pack(f"<{len(markers)}I", *markers),
        table,
        struct.pack("<256H", *index),
        struct.pack(f"<{len(offsets)}i", *offsets),
        struct.pack("<Q", TEXT),
    )
    return padded(before) + b"".join(map(padded, parts)) + bytes(64)


@pytest.mark.parametrize("count", [len(SYMBOLS), len(SYMBOLS) - 1, 10])
def test_symbols_are_read_out_of_memory(count: int) -> None:
    assert read_kallsyms(memory(SYMBOLS[:count]), TEXT) == SYMBOLS[:count]


def test_digits_elsewhere_and_the_same_number_before_lead_nowhere() -> None:
    digits = b"".join(b"%c\0" % digit for digit in b"0123456789")
    before = digits + struct.pack("<Q", len(SYMBOLS)) + bytes(32) + b"abc\0" * 300
    assert read_kallsyms(memory(SYMBOLS, before=before), TEXT) == SYMBOLS


@pytest.mark.parametrize(
    "image", [bytes(100_000), b"", memory(SYMBOLS, first_marker=7)], ids=["none", "empty", "other"]
)
def test_a_kernel_without_such_a_table(image: bytes) -> None:
    with pytest.raises(BuildError, match="carries no table of its symbols"):
        read_kallsyms(image, TEXT)


def test_a_kernel_that_is_linked_elsewhere() -> None:
    with pytest.raises(BuildError, match="carries no table"):
        read_kallsyms(memory(SYMBOLS), TEXT + 0x1000000)


def test_a_symbol_is_a_line_of_system_map() -> None:
    assert SYMBOLS[1].line() == "ffffffff81000000 T _text"
