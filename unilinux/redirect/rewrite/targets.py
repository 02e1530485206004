# SPDX-License-Identifier: GPL-2.0-only
"""Where code can be entered other than from the instruction before: what must stay where it is.

Rather too many addresses than too few: direct branches of all code, addresses that code computes,
whatever data could be a pointer or a table of jumps, symbols, and landing pads of exceptions.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unilinux.elf.file import Elf, bytes_at
from unilinux.elf.frames import Frame, landing_pads
from unilinux.redirect.decode import Instruction, Memory, words
from unilinux.redirect.program import Function, pointers_of
from unilinux.redirect.rewrite.boundaries import labels

_TRANSFER = re.compile(r"(?:bnd |notrack )?(?:call|jmp|j[a-z]+|loop\w*|xbegin)$")
_RELATIVE = re.compile(r"\[rip(?: (?P<sign>[+-]) (?P<away>0x[0-9a-f]+|\d+))?\]")
_ENTRY = struct.Struct("<i")
_MOST_ENTRIES = 4096  # of one table of jumps


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one look over all code and data of a file says.

    ``branches`` are where direct jumps and calls go, ``taken`` addresses that code computes or data has.
    ``uneven`` are functions, by their addresses, whose bytes don't come out even as instructions. ``suspects``
    are those that have an instruction which enters the kernel or halts.
    """

    branches: frozenset[int]
    taken: frozenset[int]
    uneven: frozenset[int]
    suspects: frozenset[int]

    def leads_to(self, address: int) -> bool:
        """Whether something other than the instruction before leads there."""
        return address in self.branches or address in self.taken


def survey(elf: Elf, functions: Sequence[Function], frames: Sequence[Frame]) -> Survey:
    """Look over all code and data of a file.

    :raise BuildError: a table of exceptions is damaged.
    """
    branches = {frame.address for frame in frames} | labels(elf).keys() | {elf.entry}
    taken, uneven, suspects = set(pointers_of(elf)), set[int](), set[int]()
    fixed = elf.kind == "ET_EXEC"  # only then is a constant an address
    for function in functions:
        end = function.address
        for address, size, mnemonic, operands in words(function.code, function.address):
            end = address + size
            if operands.startswith("0x"):
                if _TRANSFER.match(mnemonic):
                    branches.add(int(operands, 16))
                elif fixed and mnemonic == "push":
                    taken.add(int(operands, 16))
            elif "[rip" in operands:
                taken.add(_pointed(operands, end))
            elif fixed and ", 0x" in operands:
                taken.add(int(operands.rpartition(", ")[2], 16))
            elif mnemonic in ("syscall", "hlt"):
                suspects.add(function.address)
        rest = function.code[end - function.address :]
        if any(rest):  # zeros are padding
            uneven.add(function.address)
            branches.update(_any_branches(function))
    for frame in frames:
        taken |= landing_pads(elf, frame)
    return Survey(
        branches=frozenset(branches),
        taken=frozenset(taken),
        uneven=frozenset(uneven),
        suspects=frozenset(suspects),
    )


def jump_tables(elf: Elf, function: Function, code: Sequence[Instruction]) -> frozenset[int]:
    """Where tables of distances lead that a function may jump by: those that begin where it takes an address."""
    if not any(one.transfer.jumps and one.target is None for one in code):
        return frozenset()
    tables = {
        operand.displacement
        for one in code
        if one.relative_at is not None and one.mnemonic == "lea"
        for operand in one.operands
        if isinstance(operand, Memory)
    }
    return frozenset(target for table in tables for target in _table(elf, table, function))


def _table(elf: Elf, table: int, function: Function) -> Iterator[int]:
    """The targets of a table, as long as they are in the function."""
    for number in range(_MOST_ENTRIES):
        entry = bytes_at(elf.loaded, table + number * _ENTRY.size, _ENTRY.size)
        target = table + _ENTRY.unpack(entry)[0] if entry else 0
        if not function.address <= target < function.end:
            return
        yield target


def _pointed(operands: str, end: int) -> int:
    found = _RELATIVE.search(operands)
    if found is None:  # with an index: not what compilers make
        return end
    away = int(found["away"] or "0", 0)
    return end - away if found["sign"] == "-" else end + away


def _any_branches(function: Function) -> Iterator[int]:
    """Whatever can be a branch, wherever an instruction may begin."""
    code = function.code
    for found in re.finditer(rb"(?=([\xe8\xe9]|\x0f[\x80-\x8f])(....))", code, re.DOTALL):
        yield function.address + found.end(2) + _ENTRY.unpack(found[2])[0]
    for found in re.finditer(rb"(?=[\x70-\x7f\xeb\xe0-\xe3](.))", code, re.DOTALL):
        yield function.address + found.end(1) + struct.unpack("<b", found[1])[0]
