# SPDX-License-Identifier: GPL-2.0-only
"""Stack traces of an application: which function an address belongs to, and which functions called it.

The images' programs have no frame pointers, and musl no unwind tables. Callers are
found on the stack: a word is a return address of the function that we are in if the
instruction before it is a call of that very function (or of one that jumps to it),
which old words on the stack seldom are. A word behind a call through a pointer may
be one, too. Of all the chains that this allows, one that leads to main is taken.
"""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from unilinux.core.command import run
from unilinux.elf.file import Segment, bytes_at, read_elf

_SYMBOL = re.compile(r"^(?P<address>[0-9a-f]{16})(?: (?P<size>[0-9a-f]{16}))? (?P<kind>[tTwWiVv]) (?P<name>\S+)$")
# musl's marks inside of __syscall_cp_asm: labels, not functions.
_LABELS = frozenset({"__cp_begin", "__cp_end", "__cp_cancel"})
_CALL = 0xE8
_JUMP = re.compile(rb"(?=(\xe9.{4}|\xeb.))", re.DOTALL)
_NEAR = struct.Struct("<i")
# Lengths of a call through a pointer, by its ModRM byte: register, memory with no, 8-bit and 32-bit displacement.
_INDIRECT_LENGTHS = (2, 3, 4, 6, 7, 8)
_MAIN = "main"
_MOST_FRAMES = 12
_MOST_POINTERS = 3
_DEEPEST = 60
_MOST_DEAD_ENDS = 300
_MOST_JUMPS = 2  # epoll_wait jumps to epoll_pwait; longer chains were not seen
_WORD = 8


@dataclass(frozen=True, slots=True)
class CodeRange:
    """A function of a program: its code is [start, end)."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class Unwinder:
    """A statically linked program at fixed addresses.

    ``functions`` are in order; ``library`` are the names of those that are the C
    library's, so that the application's own can be told from them.
    """

    functions: tuple[CodeRange, ...]
    segments: tuple[Segment, ...]
    library: frozenset[str]
    _jumps: dict[int, frozenset[int]] = field(default_factory=dict, repr=False, compare=False)

    def function_at(self, address: int) -> CodeRange | None:
        """The function that an address lies in."""
        index = bisect.bisect_right(self._starts, address) - 1
        found = self.functions[index] if index >= 0 else None
        return found if found is not None and address < found.end else None

    def callers(self, address: int, stack: bytes) -> tuple[str, ...]:
        """The functions that are active, innermost first, from the one at ``address``.

        ``stack`` is what the stack pointer points to. Of the chains that end in main, the one with
        the fewest calls through pointers; where there is none, the nearest fitting words are taken,
        and the chain ends where no caller can be made out.
        """
        current = self.function_at(address)
        if current is None:
            return ()
        words = tuple(word for (word,) in struct.iter_unpack("<Q", stack[: len(stack) // _WORD * _WORD]))
        for pointers in range(_MOST_POINTERS + 1):
            if (found := _Search(self, words).to_main(current, 0, pointers)) is not None:
                return found[:_MOST_FRAMES]
        return self._nearest(current, words)

    def place(self, chain: Iterable[str]) -> str:
        """The innermost function of a chain that is the application's own; else the outermost one."""
        names = tuple(chain)
        return next((name for name in names if name not in self.library), names[-1] if names else "")

    @cached_property
    def _starts(self) -> list[int]:
        return [function.start for function in self.functions]

    def candidates(
        self, current: CodeRange, words: Sequence[int], position: int, *, pointers: bool
    ) -> Iterator[tuple[CodeRange, int]]:
        """Functions that may have called another, with the position on the stack behind their return address."""
        for index in range(position, len(words)):
            # A function that doesn't return may be called by the last instruction of its caller.
            function = self.function_at(words[index] - 1)
            if function is None:
                continue
            target = self._call_target(words[index])
            if self._is_indirect_call(words[index]) if pointers else self._reaches(target, current.start):
                yield function, index + 1

    def _nearest(self, current: CodeRange, words: Sequence[int]) -> tuple[str, ...]:
        chain = [current.name]
        position = 0
        while len(chain) < _MOST_FRAMES:
            found = next(self.candidates(current, words, position, pointers=False), None) or next(
                self.candidates(current, words, position, pointers=True), None
            )
            if found is None:
                break
            current, position = found
            chain.append(current.name)
        return tuple(chain)

    def _call_target(self, return_address: int) -> int | None:
        code = self._code(return_address - 5, 5)
        return return_address + int(_NEAR.unpack_from(code, 1)[0]) if code[:1] == bytes((_CALL,)) else None

    def _is_indirect_call(self, return_address: int) -> bool:
        """Whether the instruction before ends there and is ``FF /2``."""
        for length in _INDIRECT_LENGTHS:
            code = self._code(return_address - length, length)
            if code[:1] and 0x40 <= code[0] <= 0x4F:  # REX
                code = code[1:]
            if len(code) >= 2 and code[0] == 0xFF and code[1] >> 3 & 7 == 2 and len(code) == _indirect_length(code):
                return True
        return False

    def _reaches(self, target: int | None, start: int, jumps: int = _MOST_JUMPS) -> bool:
        """Whether a function is the wanted one, or ends by jumping to it."""
        if target is None or target == start:
            return target is not None
        function = self.function_at(target)
        if jumps == 0 or function is None or function.start != target:
            return False
        return any(self._reaches(goal, start, jumps - 1) for goal in self._goals(function))

    def _goals(self, function: CodeRange) -> frozenset[int]:
        """Where a function may jump to."""
        if function.start not in self._jumps:
            code = self._code(function.start, function.end - function.start)
            goals = (function.start + jump.end(1) + _distance(jump[1][1:]) for jump in _JUMP.finditer(code))
            self._jumps[function.start] = frozenset(goals)
        return self._jumps[function.start]

    def _code(self, address: int, size: int) -> bytes:
        return bytes_at(self.segments, address, size) or b""


@dataclass
class _Search:
    """Looks for a way from a function up to main; each dead end is tried once."""

    program: Unwinder
    words: Sequence[int]
    dead: set[tuple[int, int, int]] = field(default_factory=set)

    def to_main(self, current: CodeRange, position: int, pointers: int, depth: int = 0) -> tuple[str, ...] | None:
        """A chain with at most so many calls through pointers."""
        if current.name == _MAIN:
            return (current.name,)
        state = (current.start, position, pointers)
        if depth == _DEEPEST or state in self.dead or len(self.dead) > _MOST_DEAD_ENDS:
            return None
        for through_pointer in (False, True)[: 1 + (pointers > 0)]:
            for caller, behind in self.program.candidates(current, self.words, position, pointers=through_pointer):
                found = self.to_main(caller, behind, pointers - through_pointer, depth + 1)
                if found is not None:
                    return (current.name, *found)
        self.dead.add(state)
        return None


def _distance(code: bytes) -> int:
    return int.from_bytes(code, "little", signed=True)


def _indirect_length(code: bytes) -> int:
    """Length of ``FF /2`` with its ModRM, SIB and displacement."""
    mode, base = code[1] >> 6, code[1] & 7
    if mode == 3:
        return 2
    sib = base == 4
    no_base = base == 5 if not sib else len(code) > 2 and code[2] & 7 == 5
    displacement = {0: 4 if no_base else 0, 1: 1, 2: 4}[mode]
    return 2 + sib + displacement


def read_unwinder(program: Path, library: Iterable[str]) -> Unwinder:
    """A program of an application's build, with its symbols.

    :raise BuildError: the file is missing or isn't what it should be.
    """
    segments = read_elf(program).loaded
    listed = run(["nm", "--defined-only", "--numeric-sort", "--print-size", program]).output
    found = sorted(_listed(listed), key=lambda one: (one.start, one.end == one.start, one.name.startswith("_")))
    starts = [*sorted({one.start for one in found}), 1 << 64]
    following = dict(pairwise(starts))
    functions: dict[int, CodeRange] = {}
    for one in found:
        # Assembly has no sizes: it goes up to the next function.
        end = one.end if one.end > one.start else following[one.start]
        functions.setdefault(one.start, CodeRange(one.start, end, one.name))
    return Unwinder(tuple(functions.values()), segments, frozenset(library))


def _listed(text: str) -> Iterable[CodeRange]:
    for line in text.splitlines():
        if (row := _SYMBOL.match(line)) is not None and row["name"] not in _LABELS:
            start = int(row["address"], 16)
            yield CodeRange(start, start + int(row["size"] or "0", 16), row["name"])
