# SPDX-License-Identifier: GPL-2.0-only
"""The data flow through one function: which values its registers can have at a place."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from unilinux.redirect.decode import MASK_64, Instruction, Memory, Operand, Register, instructions
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
_ROUNDS = 200  # over each block: more means that something doesn't come to rest


def values_at(
    function: Function, places: Iterable[int], *, pointers: frozenset[int], endless: frozenset[int]
) -> Mapping[int, State]:
    """What is known before the instructions at ``places`` are executed.

    :param pointers: addresses that the program's data has: tables of jumps lead to them.
    :param endless: functions that never return, by their addresses.
    """
    code = tuple(instructions(function.code, function.address))
    tables = frozenset(pointers.intersection(instruction.address for instruction in code[1:]))
    begun = _settle(blocks := _Blocks(code, tables, endless), function.address)
    wanted = frozenset(places)
    found: dict[int, State] = {}
    for start, block in blocks.items():
        state = begun.get(start, State())  # never reached, as far as can be seen: nothing is known
        for instruction in block:
            if instruction.address in wanted:
                found[instruction.address] = state
            state = _step(state, instruction)
    return {place: found.get(place, State()) for place in wanted}


class _Blocks(dict[int, Sequence[Instruction]]):
    """Runs of instructions by their first address, and how they follow each other."""

    def __init__(self, code: Sequence[Instruction], tables: frozenset[int], endless: frozenset[int]) -> None:
        super().__init__()
        self._tables = tables
        self._endless = endless
        leaders = self._leaders(code)
        current: list[Instruction] = []
        for instruction in code:
            if instruction.address in leaders:
                current = []
                self[instruction.address] = current
            current.append(instruction)
        self._orphans = self._without_way_in(code[0].address if code else 0)

    def after(self, address: int) -> frozenset[int]:
        """The blocks that one of them can lead to."""
        last = self[address][-1]
        following = {last.target} if last.jumps and last.target is not None else set()
        if not self._ends(last):
            following.add(last.end)
        if last.jumps and last.target is None and not last.enters and not _is_far(last):
            following |= self._tables or self._orphans
        return frozenset(following & self.keys())

    def _leaders(self, code: Sequence[Instruction]) -> frozenset[int]:
        leaders = {code[0].address, *self._tables} if code else set()
        for instruction in code:
            if instruction.target is not None and instruction.jumps:
                leaders.add(instruction.target)
            if instruction.jumps or self._ends(instruction):
                leaders.add(instruction.end)
        return frozenset(leaders)

    def _ends(self, instruction: Instruction) -> bool:
        return instruction.ends_block or (instruction.calls and instruction.target in self._endless)

    def _without_way_in(self, start: int) -> frozenset[int]:
        """Blocks that nothing leads to, as far as can be seen: tables of jumps that aren't absolute do."""
        known = {start}
        for block in self.values():
            last = block[-1]
            known |= {last.target} if last.jumps and last.target is not None else set()
            known |= set() if self._ends(last) else {last.end}
        return frozenset(self.keys() - known)


def _is_far(instruction: Instruction) -> bool:
    """Whether an indirect jump surely leaves the function: through a pointer at a fixed address."""
    operand = instruction.operands[0] if instruction.operands else None
    return isinstance(operand, Memory) and operand.base is None and not operand.index


def _settle(blocks: _Blocks, start: int) -> Mapping[int, State]:
    """The state at the start of each block, when nothing changes any more."""
    begun: dict[int, State] = {start: entered()}
    waiting, rounds = [start], dict.fromkeys(blocks, 0)
    while waiting:
        address = waiting.pop()
        rounds[address] += 1
        state = begun[address] if rounds[address] < _ROUNDS else State()
        for instruction in blocks[address]:
            state = _step(state, instruction)
        for following in blocks.after(address):
            reached = _on_the_way(state, blocks[address], following)
            before = begun.get(following)
            joined = reached if before is None else before.join(reached)
            if joined != before and rounds[following] <= _ROUNDS:
                begun[following] = joined
                waiting.append(following)
    return begun


def _on_the_way(state: State, block: Sequence[Instruction], following: int) -> State:
    """The state on one of two ways: where a register was found to be equal to a constant, it is that."""
    if len(block) < 2 or block[-1].mnemonic not in ("je", "jne") or block[-1].target == block[-1].end:
        return state
    compared, jump = block[-2:]
    left, right = (*compared.operands, None, None)[:2]
    if not isinstance(left, Register) or left.size < 4 or (following == jump.target) != (jump.mnemonic == "je"):
        return state
    if compared.mnemonic == "test" and left == right:
        return state.set(left.name, frozenset({0}))
    if compared.mnemonic == "cmp" and isinstance(right, int):
        return state.set(left.name, truncated(frozenset({right & MASK_64}), left.size))
    return state


def _step(state: State, instruction: Instruction) -> State:
    """What an instruction does to what is known."""
    name, operands = instruction.mnemonic, instruction.operands
    if instruction.enters:
        return state.forget(("rax", "rcx", "r11")).disturb()
    if instruction.calls:
        return state.forget(CLOBBERED).disturb()
    if name == "push":
        below = plus(state.get("rsp"), -8)
        return _write(state, Memory("rsp", index=False, displacement=-8, size=8), _read(state, operands[0])).set(
            "rsp", below
        )
    if name == "pop":
        value = _read(state, Memory("rsp", index=False, displacement=0, size=8))
        return _write(state.set("rsp", plus(state.get("rsp"), 8)), operands[0], value)
    result = _result(state, instruction)
    if result is not None:
        return _write(state, operands[0], result)
    after = state.forget(instruction.writes)
    if name.startswith(_STORES_BY_POINTER):
        return after.disturb()
    if operands and isinstance(operands[0], Memory) and name not in _READ_ONLY:
        return _write(after, operands[0], UNKNOWN)
    if name == "xchg" and isinstance(operands[1], Memory):
        return _write(after, operands[1], UNKNOWN)
    return after


def _result(state: State, instruction: Instruction) -> Value | None:
    """What an instruction writes to its first operand, if it is one of those that are understood."""
    name, operands = instruction.mnemonic, instruction.operands
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
