# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of a program can run, who calls whom, and where the kernel is entered.

What can run begins at the program's entry and at each function that data points to;
it goes on to what is called, jumped to, or has its address taken by what can run. A
function of a library that was linked but is not used is not among it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

from unilinux.redirect.decode import GATE, GATE_ENDS, Line, words
from unilinux.redirect.privileged import may_be_privileged
from unilinux.redirect.program import Function, Program

# Numbers below 10 are written in decimal: next to the program counter they matter, as addresses they don't.
_NUMBER = re.compile(r"\[rip( (?P<sign>[+-]) (?P<away>0x[0-9a-f]+|\d))?\]|(?P<value>0x[0-9a-f]+)")
_TRANSFER = re.compile(r"(call|jmp|j[a-z]+|loop\w*)$")


class EntryMethod(Enum):
    """How a program enters the kernel."""

    SYSCALL = "syscall"
    GATE = "gate"
    NUMBERED = "gate, by number"
    FOREIGN = "int 0x80 or sysenter, whose numbers are others"


@dataclass(frozen=True, slots=True)
class Site:
    """An instruction that enters the kernel."""

    function: Function
    address: int
    method: EntryMethod
    number: int | None = None

    @property
    def place(self) -> str:
        """As people say it: ``write+0x12``."""
        return f"{self.function.name}+{self.address - self.function.address:#x}"


@dataclass(frozen=True, slots=True)
class Call:
    """A direct call of a function, or a jump into it."""

    function: Function
    address: int
    callee: Function
    is_jump: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What can run of a program.

    ``taken`` has the functions that may be called through pointers, ``endless`` those that
    never return; both by their addresses. ``undecoded`` has places from where on a function
    has bytes that are no instruction, as far as the disassembler knows. ``suspects`` are
    the instructions that may be privileged.
    """

    program: Program
    reached: tuple[Function, ...]
    calls: tuple[Call, ...]
    sites: tuple[Site, ...]
    taken: frozenset[int]
    endless: frozenset[int]
    undecoded: tuple[str, ...] = ()
    suspects: tuple[tuple[Function, Line], ...] = ()


def reachable(program: Program) -> Graph:
    """Follow a program from its entry."""
    taken = {function.address for function in program.functions if function.address in program.pointers}
    waiting = [function for function in program.functions if function.address in taken]
    start = program.at(program.entry)
    waiting += [start] if start else []
    seen = {function.address for function in waiting}
    reached: list[Function] = []
    calls: list[Call] = []
    sites: list[Site] = []
    returning: set[int] = set()
    undecoded: list[str] = []
    suspects: list[tuple[Function, Line]] = []
    while waiting:
        function = waiting.pop()
        reached.append(function)
        end = function.address
        # Some hundred thousand of instructions: most are passed over by their names.
        for address, size, mnemonic, operands in words(function.code, function.address):
            end = address + size
            traits = _traits(mnemonic)
            names_address = "0x" in operands or "rip" in operands
            suspicious = may_be_privileged(mnemonic, operands)
            if not (traits.matters or names_address or suspicious):
                continue
            line = Line(address, size, mnemonic, operands)
            if suspicious:
                suspects.append((function, line))
            site = entry_method(line) if traits.enters else None
            if site:
                sites.append(Site(function, line.address, *site))
            elif traits.returns or (traits.jumps and not operands.startswith("0x")):
                returning.add(function.address)
            for callee, is_call in _references(program, function, line) if names_address else ():
                if is_call:
                    calls.append(Call(function, line.address, callee, is_jump=line.mnemonic != "call"))
                else:
                    taken.add(callee.address)
                if callee.address not in seen:
                    seen.add(callee.address)
                    waiting.append(callee)
        if any(function.code[end - function.address :]):  # zeros are padding
            undecoded.append(f"{function.name}+{end - function.address:#x}")
    return Graph(
        program=program,
        reached=tuple(sorted(reached, key=lambda function: function.address)),
        calls=tuple(calls),
        sites=tuple(sorted(sites, key=lambda site: site.address)),
        taken=frozenset(taken),
        undecoded=tuple(sorted(undecoded)),
        suspects=tuple(suspects),
        endless=_endless(reached, returning, [call for call in calls if call.is_jump]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traits:
    """What the name of an instruction tells: whether it may enter the kernel, returns to a caller, or jumps."""

    enters: bool
    returns: bool
    jumps: bool
    matters: bool


@cache
def _traits(mnemonic: str) -> _Traits:
    last = mnemonic.rsplit(maxsplit=1)[-1]
    enters = mnemonic in ("syscall", "sysenter", "int", "call", "jmp")
    returns, jumps = last.startswith(("ret", "iret")), last == "jmp"
    return _Traits(
        enters=enters,
        returns=returns,
        jumps=jumps,
        matters=enters or returns or jumps,
    )


def _endless(reached: Sequence[Function], returning: set[int], jumps: Sequence[Call]) -> frozenset[int]:
    """Functions with no way back to their callers, not by those either that they end with a jump to."""
    back = set(returning)
    while more := {jump.function.address for jump in jumps if jump.callee.address in back} - back:
        back |= more
    return frozenset(function.address for function in reached) - back


def entry_method(line: Line) -> tuple[EntryMethod, int | None] | None:
    """Whether an instruction enters the kernel, and the number if it is the instruction that says it."""
    if line.mnemonic == "syscall":
        return EntryMethod.SYSCALL, None
    if line.mnemonic == "sysenter" or (line.mnemonic, line.operands) == ("int", "0x80"):
        return EntryMethod.FOREIGN, None
    if "0xffffffffff60" not in line.operands or line.mnemonic not in ("call", "jmp"):
        return None
    found = re.search(r"\[(0x[0-9a-f]+)\]$", line.operands)
    address = int(found[1], 16) if found else 0
    if GATE + 0x1000 <= address < GATE_ENDS:
        return EntryMethod.NUMBERED, (address - GATE - 0x1000) // 8
    return (EntryMethod.GATE, None) if GATE <= address < GATE_ENDS else None


def _references(program: Program, function: Function, line: Line) -> Iterator[tuple[Function, bool]]:
    """Other functions (and this one's start) that an instruction names, and whether it goes there."""
    if "0x" not in line.operands and "rip" not in line.operands:
        return
    transfer = _TRANSFER.match(line.mnemonic) is not None and "[" not in line.operands
    for found in _NUMBER.finditer(line.operands):
        if found["value"]:
            value = int(found["value"], 16)
        else:
            away = int(found["away"] or "0", 0)
            value = line.address + line.size + (-away if found["sign"] == "-" else away)
        other = program.at(value) if transfer else program.by_start.get(value)
        if other and (other != function or (transfer and line.mnemonic == "call")):
            yield other, transfer
        elif other and not transfer:
            yield other, False
