# SPDX-License-Identifier: GPL-2.0-only
"""The data flow through one function: which values its registers can have at a place."""

from __future__ import annotations

import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from heapq import heappop, heappush
from types import MappingProxyType

from unilinux.redirect.decode import MASK_64, Effect, Line, Memory, Operand, Register, effect, lines, transfer
from unilinux.redirect.program import Function
from unilinux.redirect.values import (
    CLOBBERED,
    UNKNOWN,
    Stack,
    State,
    Unknown,
    Value,
    entered,
    extended,
    limited,
    plus,
    truncated,
)

_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = MappingProxyType(
    {"and": operator.and_, "or": operator.or_, "xor": operator.xor, "add": operator.add, "sub": operator.sub}
)
# These have a first operand that they only read.
_READ_ONLY = frozenset({"cmp", "test", "bt", "push", "call", "jmp", "nop"})
_STORES_BY_POINTER = ("stos", "movs", "rep")
_FIXED = re.compile(r"(?<!:)\[(rip\b.*|0x[0-9a-f]+|\d)\]$")  # without a segment
_ROUNDS = 200  # over each block: more means that something doesn't come to rest


class Effects:
    """What instructions do, worked out once for all that read the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Effect] = {}

    def of(self, line: Line, function: Function) -> Effect:
        """The effect of one of a function's instructions."""
        text = (line.mnemonic, line.operands)
        known = self._known.get(text)
        if known is None:
            offset = line.address - function.address
            known = effect(function.code[offset : offset + line.size], line.address)
            if "rip" not in line.operands:
                self._known[text] = known
        return known


class Flow:
    """The flow through one function; as much of it is followed as questions need.

    :param pointers: addresses that the program's data has: tables of jumps lead to them.
    :param endless: functions that never return, by their addresses.
    """

    def __init__(
        self, function: Function, effects: Effects, *, pointers: frozenset[int], endless: frozenset[int]
    ) -> None:
        self._function = function
        self._effects = effects
        self._blocks = _Blocks(tuple(lines(function.code, function.address)), pointers, endless)
        self._starts = tuple(self._blocks)

    def value(self, register: str, address: int) -> Value:
        """What a register can hold before the instruction at ``address`` is executed."""
        # Most numbers are set just before: what is a constant whatever the block begins with needs nothing else.
        value = self._before(address, self._start(address), State()).get(register)
        return self.settled(register, address) if has_unknown(value) else value

    def settled(self, register: str, address: int) -> Value:
        """The same by all ways through the function."""
        start = self._start(address)
        return self._before(address, start, self._begun.get(start, State())).get(register)

    def _start(self, address: int) -> int:
        return self._starts[bisect_right(self._starts, address) - 1]

    def _before(self, address: int, start: int, state: State) -> State:
        for line in self._blocks[start]:
            if line.address >= address:
                break
            state = _step(state, line, self._effects.of(line, self._function))
        return state

    @cached_property
    def _begun(self) -> Mapping[int, State]:
        """The state at the start of each block, when nothing changes any more; none where nothing is known to lead."""
        begun: dict[int, State] = {self._function.address: entered()}
        waiting, rounds = [self._function.address], dict.fromkeys(self._blocks, 0)
        queued = set(waiting)
        while waiting:
            address = heappop(waiting)  # in the order of addresses few blocks are looked at again
            queued.remove(address)
            rounds[address] += 1
            block = self._blocks[address]
            state = begun[address] if rounds[address] < _ROUNDS else State()
            state = self._before(block[-1].end, address, state)
            for following in self._blocks.after(address):
                reached = self._on_the_way(state, block, following)
                before = begun.get(following)
                joined = reached if before is None else before.join(reached)
                if joined != before and rounds[following] <= _ROUNDS:
                    begun[following] = joined
                    if following not in queued:
                        heappush(waiting, following)
                        queued.add(following)
        return begun

    def _on_the_way(self, state: State, block: Sequence[Line], following: int) -> State:
        """The state on one of two ways: where a register was found to be equal to a constant, it is that."""
        jump = block[-1]
        if len(block) < 2 or jump.mnemonic not in ("je", "jne") or jump.target == jump.end:
            return state
        compared = self._effects.of(block[-2], self._function)
        left, right = (*compared.operands, None, None)[:2]
        if not isinstance(left, Register) or left.size < 4 or (following == jump.target) != (jump.mnemonic == "je"):
            return state
        if compared.mnemonic == "test" and left == right:
            return state.set(left.name, frozenset({0}))
        if compared.mnemonic == "cmp" and isinstance(right, int):
            return state.set(left.name, truncated(frozenset({right & MASK_64}), left.size))
        return state


class _Blocks(dict[int, Sequence[Line]]):
    """Runs of instructions by their first address, and how they follow each other."""

    def __init__(self, code: Sequence[Line], pointers: frozenset[int], endless: frozenset[int]) -> None:
        super().__init__()
        self._tables = frozenset(pointers.intersection(line.address for line in code[1:]))
        self._endless = endless
        leaders = self._leaders(code)
        current: list[Line] = []
        for line in code:
            if line.address in leaders:
                current = []
                self[line.address] = current
            current.append(line)
        self._orphans = self._without_way_in(code[0].address if code else 0)

    def after(self, address: int) -> frozenset[int]:
        """The blocks that one of them can lead to."""
        last = self[address][-1]
        jumps = last.transfer.jumps
        following = {last.target} if jumps and last.target is not None else set()
        if not self._ends(last):
            following.add(last.end)
        if jumps and last.target is None and not last.enters and not _is_far(last):
            following |= self._tables or self._orphans
        return frozenset(following & self.keys())

    def _leaders(self, code: Sequence[Line]) -> frozenset[int]:
        leaders = {code[0].address, *self._tables} if code else set()
        for line in code:
            does = transfer(line.mnemonic)
            if not (does.jumps or does.calls or does.ends):
                continue
            if does.jumps and line.target is not None:
                leaders.add(line.target)
            if does.jumps or self._ends(line):
                leaders.add(line.end)
        return frozenset(leaders)

    def _ends(self, line: Line) -> bool:
        return line.ends_block or (line.transfer.calls and line.target in self._endless)

    def _without_way_in(self, start: int) -> frozenset[int]:
        """Blocks that nothing leads to, as far as can be seen: tables of jumps that aren't absolute do."""
        known = {start}
        for block in self.values():
            last = block[-1]
            known |= {last.target} if last.transfer.jumps and last.target is not None else set()
            known |= set() if self._ends(last) else {last.end}
        return frozenset(self.keys() - known)


def _is_far(jump: Line) -> bool:
    """Whether an indirect jump surely leaves the function: through a pointer at a fixed address."""
    return _FIXED.search(jump.operands) is not None


def _step(state: State, line: Line, effect: Effect) -> State:
    """What an instruction does to what is known."""
    name, operands = effect.mnemonic, effect.operands
    if line.enters:
        return state.forget(("rax", "rcx", "r11")).disturb()
    if line.transfer.calls:
        return state.forget(CLOBBERED).disturb()
    if name == "push":
        below = plus(state.get("rsp"), -8)
        return _write(state, Memory("rsp", index=False, displacement=-8, size=8), _read(state, operands[0])).set(
            "rsp", below
        )
    if name == "pop":
        value = _read(state, Memory("rsp", index=False, displacement=0, size=8))
        return _write(state.set("rsp", plus(state.get("rsp"), 8)), operands[0], value)
    result = _result(state, effect)
    if result is not None:
        return _write(state, operands[0], result)
    after = state.forget(effect.writes)
    if name.startswith(_STORES_BY_POINTER):
        return after.disturb()
    if operands and isinstance(operands[0], Memory) and name not in _READ_ONLY:
        return _write(after, operands[0], UNKNOWN)
    if name == "xchg" and isinstance(operands[1], Memory):
        return _write(after, operands[1], UNKNOWN)
    return after


def _result(state: State, effect: Effect) -> Value | None:
    """What an instruction writes to its first operand, if it is one of those that are understood."""
    name, operands = effect.mnemonic, effect.operands
    if name in ("mov", "movabs") and len(operands) == 2:
        return _read(state, operands[1])
    if name == "lea" and isinstance(operands[1], Memory):
        return _address(state, operands[1])
    if name in ("movsxd", "movsx") and isinstance(operands[1], Register | Memory):
        return extended(_read(state, operands[1]), operands[1].size)
    if name == "movzx":
        return _read(state, operands[1])
    if name.startswith("cmov"):
        return limited(_read(state, operands[0]) | _read(state, operands[1]))
    if name in ("xor", "sub") and operands[0] == operands[1]:
        return frozenset({0})
    if name in ("inc", "dec"):
        return plus(_read(state, operands[0]), 1 if name == "inc" else -1)
    if name in ("add", "sub") and isinstance(operands[1], int):
        return plus(_read(state, operands[0]), operands[1] if name == "add" else -operands[1])
    if name in _ARITHMETIC:
        return _combined(_ARITHMETIC[name], _read(state, operands[0]), _read(state, operands[1]))
    return None


def _combined(how: Callable[[int, int], int], left: Value, right: Value) -> Value:
    if any(not isinstance(atom, int) for atom in left | right):
        return UNKNOWN
    return limited(
        how(one, other) & MASK_64 for one in left for other in right if isinstance(one, int) and isinstance(other, int)
    )


def _read(state: State, operand: Operand) -> Value:
    if isinstance(operand, int):
        return frozenset({operand & MASK_64})
    if isinstance(operand, Register):
        return truncated(state.get(operand.name), operand.size)
    place = _slot(state, operand)
    return UNKNOWN if place is None else truncated(state.load(place, operand.size), operand.size)


def _write(state: State, operand: Operand, value: Value) -> State:
    if isinstance(operand, Register):
        # 4 bytes clear the upper half; less leave the rest of the register as it was.
        return state.set(
            operand.name, truncated(value, operand.size) if operand.size >= 4 else _part(state, operand, value)
        )
    if isinstance(operand, int):
        return state
    place = _slot(state, operand)
    if place is not None:
        return state.store(place, operand.size, truncated(value, operand.size))
    return state.disturb(all_slots=operand.base in ("rsp", "rbp"))


def _part(state: State, operand: Register, value: Value) -> Value:
    """A register of which the lower byte or two are written."""
    if operand.high:
        return UNKNOWN
    mask = (1 << 8 * operand.size) - 1
    return _combined(lambda old, new: old & ~mask | new & mask, state.get(operand.name), value)


def _address(state: State, operand: Memory) -> Value:
    if operand.index:
        return UNKNOWN
    return plus(state.get(operand.base), operand.displacement) if operand.base else frozenset({operand.displacement})


def _slot(state: State, operand: Memory) -> int | None:
    """The offset on the stack of an operand that surely is there."""
    atoms = tuple(_address(state, operand))
    return atoms[0].offset if len(atoms) == 1 and isinstance(atoms[0], Stack) else None


def known_numbers(value: Value) -> frozenset[int]:
    """The constants of a value, as 32 bits: so the kernel takes them."""
    return frozenset(atom & 0xFFFFFFFF for atom in value if isinstance(atom, int))


def has_unknown(value: Value) -> bool:
    """Whether a value can be something unknown."""
    return any(isinstance(atom, Unknown | Stack) for atom in value)
