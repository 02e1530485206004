# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of a program can run, who calls whom, and where the kernel is entered.

What can run begins at the program's entry and at each function that data points to;
it goes on to what is called, jumped to, or has its address taken by what can run. A
function of a library that was linked but is not used is not among it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

from unilinux.redirect.decode import GATE, Line, transfer, words
from unilinux.redirect.privileged import Judge, judge_of
from unilinux.redirect.program import Function, Program


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
    has bytes that are no instruction, as far as the disassembler knows. ``privileged`` are
    the instructions of which :mod:`unilinux.redirect.privileged` knows what they would do.
    """

    program: Program
    reached: tuple[Function, ...]
    calls: tuple[Call, ...]
    sites: tuple[Site, ...]
    taken: frozenset[int]
    endless: frozenset[int]
    undecoded: tuple[str, ...] = ()
    privileged: tuple[tuple[Function, Line], ...] = ()


def reachable(program: Program) -> Graph:
    """Follow a program from its entry."""
    walk = _Walk(program)
    while walk.waiting:
        walk.look_into(walk.waiting.pop())
    return Graph(
        program=program,
        reached=tuple(sorted(walk.reached, key=lambda function: function.address)),
        calls=tuple(walk.calls),
        sites=tuple(sorted(walk.sites, key=lambda site: site.address)),
        taken=frozenset(walk.taken),
        undecoded=tuple(sorted(walk.undecoded)),
        privileged=tuple(walk.privileged),
        endless=_endless(walk.reached, walk.returning, [call for call in walk.calls if call.is_jump]),
    )


class _Walk:
    """What has been found so far; ``waiting`` are the functions that are still to be looked into."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._numbers = _numbers(program)
        self.taken = {function.address for function in program.functions if function.address in program.pointers}
        start = program.at(program.entry)
        self.waiting = [function for function in program.functions if function.address in self.taken]
        self.waiting += [start] if start and start.address not in self.taken else []
        self._seen = {function.address for function in self.waiting}
        self.reached: list[Function] = []
        self.calls: list[Call] = []
        self.sites: list[Site] = []
        self.returning: set[int] = set()
        self.undecoded: list[str] = []
        self.privileged: list[tuple[Function, Line]] = []

    def look_into(self, function: Function) -> None:
        """Read a function's instructions, of which most are passed over by their names."""
        self.reached.append(function)
        start = end = function.address
        behind = function.end
        for address, size, mnemonic, operands in words(function.code, function.address):
            end = address + size
            name = _traits(mnemonic)
            if (name.calls or name.jumps) and operands.startswith("0x"):
                target = int(operands, 16)
                if name.calls or not start <= target < behind:
                    self._follow(function, address, target, is_jump=name.jumps)
                continue
            if name.judge and name.judge(operands):
                self.privileged.append((function, Line(address, size, mnemonic, operands)))
            site = entry_method(Line(address, size, mnemonic, operands)) if name.enters else None
            if site:
                self.sites.append(Site(function, address, *site))
            elif name.leaves:
                self.returning.add(function.address)
            if "0x" in operands or "rip" in operands:
                self._take(operands, end)
        if any(function.code[end - start :]):  # zeros are padding
            self.undecoded.append(f"{function.name}+{end - start:#x}")

    def _follow(self, function: Function, address: int, target: int, *, is_jump: bool) -> None:
        """A direct call, or a jump out of the function."""
        callee = self._program.at(target)
        if callee:
            self.calls.append(Call(function, address, callee, is_jump=is_jump))
            self._reach(callee)

    def _take(self, operands: str, end: int) -> None:
        """The functions whose address is in the operands of an instruction that ends at ``end``."""
        for found in self._numbers.finditer(operands):
            if found["value"]:
                value = int(found["value"], 16)
            else:
                away = int(found["away"] or "0", 0)
                value = end + (-away if found["sign"] == "-" else away)
            if named := self._program.by_start.get(value):
                self.taken.add(value)
                self._reach(named)

    def _reach(self, function: Function) -> None:
        if function.address not in self._seen:
            self._seen.add(function.address)
            self.waiting.append(function)


def _numbers(program: Program) -> re.Pattern[str]:
    """Finds what can be the address of a function, and what is relative to the program counter.

    Numbers below 10 are written in decimal; and no number has fewer digits than the first function's address.
    """
    first = min((function.address for function in program.functions), default=0)
    value = f"0x[0-9a-f]{{{len(f'{first:x}')},}}"
    return re.compile(rf"\[rip( (?P<sign>[+-]) (?P<away>0x[0-9a-f]+|\d))?\]|(?P<value>{value})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traits:
    """What the name of an instruction tells of it.

    ``leaves``: unless it says where it goes, or enters the kernel, the function may be left by it.
    """

    judge: Judge | None
    enters: bool
    calls: bool
    jumps: bool
    leaves: bool


@cache
def _traits(mnemonic: str) -> _Traits:
    does = transfer(mnemonic)
    return _Traits(
        judge=judge_of(mnemonic),
        enters=mnemonic in ("syscall", "sysenter", "int", "call", "jmp"),
        calls=does.calls,
        jumps=does.jumps,
        leaves=does.returns or mnemonic.endswith("jmp"),
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
    gate = line.gate
    if gate is None:
        return None
    numbered = gate >= GATE + 0x1000
    return (EntryMethod.NUMBERED, (gate - GATE - 0x1000) // 8) if numbered else (EntryMethod.GATE, None)
