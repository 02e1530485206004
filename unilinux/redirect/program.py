# SPDX-License-Identifier: GPL-2.0-only
"""A program as its ELF file tells it: functions with their code, and what its data points to.

Code is known by symbols, so that data between functions is not taken for code.
A program without symbols is one function for each executable section.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError
from unilinux.elf.file import Elf, read_elf

_UNTYPED, _FUNCTION, _INDIRECT = 0, 2, 10  # STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC
_DATA = ("SHT_PROGBITS", "SHT_INIT_ARRAY", "SHT_FINI_ARRAY", "SHT_PREINIT_ARRAY")


@dataclass(frozen=True, slots=True)
class Function:
    """A named piece of code."""

    name: str
    address: int
    code: bytes

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + len(self.code)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is known of a program. ``functions`` don't overlap and are in the order of their addresses.

    ``entry`` is where it starts, ``pointers`` all values of its data that could be the address of code,
    ``named`` whether it had symbols, ``dynamic`` whether it is linked with others only when it is started,
    ``unnamed_code`` its executable bytes that no symbol covers, by address.
    """

    name: str
    entry: int
    functions: tuple[Function, ...]
    pointers: frozenset[int]
    named: bool
    dynamic: bool = False
    unnamed_code: tuple[tuple[int, bytes], ...] = ()

    @cached_property
    def _starts(self) -> list[int]:
        return [function.address for function in self.functions]

    @cached_property
    def by_start(self) -> dict[int, Function]:
        """Functions by the address that they start at."""
        return {function.address: function for function in self.functions}

    def at(self, address: int) -> Function | None:
        """The function that an address lies in."""
        place = bisect_right(self._starts, address) - 1
        if place < 0 or address >= self.functions[place].end:
            return None
        return self.functions[place]


def read_program(path: Path, name: str | None = None) -> Program:
    """Read an ELF file of x86-64.

    :param name: what to call it; the file's name unless told.
    :raise BuildError: it isn't one, or is damaged.
    """
    elf = read_elf(path)
    if elf.machine != X86_64.elf_machine:
        raise BuildError(f"{path} is no program for x86-64 (machine {elf.machine})")
    return _read(elf, name or path.name)


def _read(elf: Elf, name: str) -> Program:
    code = sorted(
        (section.address, bytes(section.content))
        for section in elf.sections
        if section.executable and section.kind == "SHT_PROGBITS" and section.size_bytes
    )
    symbols = dict(_symbols(elf))
    functions: list[Function] = []
    unnamed: list[tuple[int, bytes]] = []
    for start, content in code:
        named, rest = _divide(start, content, symbols)
        functions += named
        unnamed += rest
    if not functions:
        functions = [Function(f"code at {start:#x}", start, content) for start, content in code]
        unnamed = []
    return Program(
        name=name,
        entry=elf.entry,
        functions=tuple(functions),
        pointers=frozenset(pointers_of(elf)),
        named=bool(symbols),
        dynamic=elf.interpreter is not None,
        unnamed_code=tuple(unnamed),
    )


def _symbols(elf: Elf) -> Iterator[tuple[int, tuple[str, int]]]:
    """Name and size of what starts at an address: of several symbols the one that says most."""
    found: dict[int, list[tuple[bool, int, bool, str]]] = {}
    sections = elf.sections
    for symbol in elf.symbols:
        if symbol.kind not in (_UNTYPED, _FUNCTION, _INDIRECT) or symbol.section is None:
            continue
        if symbol.section >= len(sections) or not sections[symbol.section].executable:
            continue
        found.setdefault(symbol.address, []).append(
            (symbol.kind != _UNTYPED, symbol.size_bytes, symbol.is_global, symbol.name)
        )
    for address, names in found.items():
        functions = [entry for entry in names if entry[0]]
        # Labels without a type are those of assembly; beside a function with a size they only mark a place in it.
        best = max(functions or names, key=lambda entry: (entry[1], entry[2], -entry[3].count("_")))
        yield address, (best[3], best[1])


def _divide(
    start: int, content: bytes, symbols: dict[int, tuple[str, int]]
) -> tuple[list[Function], list[tuple[int, bytes]]]:
    """The functions of a section, and the bytes that no symbol covers."""
    end = start + len(content)
    inside = sorted(address for address in symbols if start <= address < end)
    functions: list[Function] = []
    unnamed: list[tuple[int, bytes]] = []
    covered = start
    for place, address in enumerate(inside):
        name, size = symbols[address]
        if address < covered:
            continue  # a label inside a function
        following = inside[place + 1] if place + 1 < len(inside) else end
        last = min(address + size, end) if size else following
        if covered < address:
            unnamed.append((covered, content[covered - start : address - start]))
        functions.append(Function(name, address, content[address - start : last - start]))
        covered = last
    if functions and covered < end:
        unnamed.append((covered, content[covered - start :]))
    return functions, unnamed


def pointers_of(elf: Elf) -> Iterator[int]:
    """What could be pointers: each word of the data, and what relocations will write there."""
    yield from elf.relative_addends
    for section in elf.sections:
        if section.allocated and not section.executable and section.kind in _DATA:
            content = section.content[-section.address % 8 :]
            yield from (word for (word,) in struct.iter_unpack("<Q", content[: len(content) // 8 * 8]))
