# SPDX-License-Identifier: GPL-2.0-only
"""Where the functions of any ELF file begin and end: by symbols, unwind tables, and what is between them.

All executable bytes are in one of them, so that nothing is overlooked in a file without symbols.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unilinux.elf.file import Elf, Symbol
from unilinux.elf.frames import Frame
from unilinux.elf.golang import go_symbols
from unilinux.redirect.program import Function

_UNTYPED, _FUNCTION, _INDIRECT = 0, 2, 10  # STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC


@dataclass(frozen=True, slots=True)
class _Known:
    """A piece of code that something tells of; ``name`` is empty if that has none."""

    address: int
    end: int
    name: str


def executable(elf: Elf) -> tuple[tuple[int, bytes], ...]:
    """The executable sections of a file: addresses and bytes."""
    return tuple(
        sorted(
            (section.address, bytes(section.content))
            for section in elf.sections
            if section.executable and section.kind == "SHT_PROGBITS" and section.size_bytes
        )
    )


def labels(elf: Elf) -> dict[int, str]:
    """The names of addresses in the code: of several, one of a function, and the plainest."""
    best: dict[int, tuple[bool, bool, int, str]] = {}
    for symbol in _symbols(elf):
        if symbol.section is None or symbol.kind not in (_UNTYPED, _FUNCTION, _INDIRECT) or not symbol.name:
            continue
        typed, plain = symbol.kind != _UNTYPED, -len(symbol.name) - symbol.name.count("_") * 100
        candidate = (typed, symbol.is_global, plain, symbol.name)
        best[symbol.address] = max(candidate, best.get(symbol.address, candidate))
    return {address: found[3] for address, found in best.items()}


def functions_of(elf: Elf, frames: Sequence[Frame]) -> tuple[Function, ...]:
    """All executable bytes, divided into functions; those that nothing tells of are named by their address."""
    names = labels(elf)
    known = sorted([*_of_symbols(elf, names), *_of_frames(frames, names)], key=lambda one: (one.address, -one.end))
    starts = [one.address for one in known]
    found: list[Function] = []
    for address, code in executable(elf):
        end = address + len(code)
        inside = known[bisect_right(starts, address - 1) : bisect_right(starts, end - 1)]
        for piece in _without_gaps(address, end, list(_merged(inside)), names):
            last = min(piece.end, end)
            name = piece.name or f"code at {piece.address:#x}"
            found.append(Function(name, piece.address, code[piece.address - address : last - address]))
    return tuple(found)


def _symbols(elf: Elf) -> tuple[Symbol, ...]:
    own = elf.symbols or go_symbols(elf)
    return (*own, *elf.dynamic_symbols)


def _of_symbols(elf: Elf, names: dict[int, str]) -> Iterator[_Known]:
    for symbol in _symbols(elf):
        if symbol.kind in (_FUNCTION, _INDIRECT) and symbol.section is not None and symbol.size_bytes:
            yield _Known(symbol.address, symbol.address + symbol.size_bytes, names.get(symbol.address, symbol.name))


def _of_frames(frames: Iterable[Frame], names: dict[int, str]) -> Iterator[_Known]:
    for frame in frames:
        # That of a signal's return begins one byte early: unwinders look up the address before the one returned to.
        start = frame.address + frame.is_signal
        yield _Known(start, frame.end, names.get(start, ""))


def _merged(pieces: Iterable[_Known]) -> Iterator[_Known]:
    """One piece for all that overlap, with the name of the first that has one."""
    current: _Known | None = None
    for piece in pieces:
        if current is not None and piece.address < current.end:
            current = _Known(current.address, max(current.end, piece.end), current.name or piece.name)
            continue
        if current is not None:
            yield current
        current = piece
    if current is not None:
        yield current


def _without_gaps(address: int, end: int, pieces: Sequence[_Known], names: Mapping[int, str]) -> Iterator[_Known]:
    """The pieces, and what is before, between and behind them; a label there begins another one."""
    at, marks = address, sorted(mark for mark in names if address <= mark < end)
    for piece in (*pieces, _Known(end, end, "")):
        inside = marks[bisect_right(marks, at) : bisect_right(marks, piece.address - 1)]
        for start, last in zip((at, *inside), (*inside, piece.address), strict=True):
            if start < last:
                yield _Known(start, last, names.get(start, ""))
        if piece.address < piece.end:
            yield piece
        at = piece.end
