# SPDX-License-Identifier: GPL-2.0-only
"""What a register can hold at a place in a function: constants, the function's arguments, or something unknown.

A data flow analysis over the function's instructions. It follows registers and the
slots of the stack through moves, constants, arithmetic and the joins of paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from unilinux.redirect.decode import MASK_64

ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
"""The registers of a function's arguments, in order (the System V ABI)."""

# The registers whose values are unknown after a call.
CLOBBERED = frozenset({"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"})
# Constants that one register may hold; with more its value counts as unknown. A loop that counts goes round so often
# before it does, and no place has so many system calls.
_MOST = 16

Key = TypeVar("Key")


class Unknown(Enum):
    """Of a value that can't be told."""

    VALUE = "unknown"


@dataclass(frozen=True, slots=True)
class Argument:
    """The value that the function was called with, in the register ``ARGUMENTS[index]``."""

    index: int


@dataclass(frozen=True, slots=True)
class Stack:
    """An address on the stack: this far from where RSP pointed when the function began."""

    offset: int


Atom = int | Argument | Stack | Unknown
Value = frozenset[Atom]

UNKNOWN: Value = frozenset({Unknown.VALUE})


@dataclass(frozen=True, slots=True)
class State:
    """What is known at a place; of registers and slots that aren't listed nothing is.

    ``slots`` are by offset and size. From ``escaped`` on upwards the stack may be changed by
    others, since its address was put somewhere.
    """

    registers: Mapping[str, Value] = field(default_factory=dict)
    slots: Mapping[tuple[int, int], Value] = field(default_factory=dict)
    escaped: int | None = None

    def get(self, register: str) -> Value:
        """The value of a register."""
        return self.registers.get(register, UNKNOWN)

    def set(self, register: str, value: Value) -> State:
        """A register gets a value; an address of the stack in another than RSP or RBP may go anywhere."""
        kept = {name: known for name, known in self.registers.items() if name != register}
        if value != UNKNOWN:
            kept[register] = value
        escaped = self.escaped
        if register not in ("rsp", "rbp"):
            offsets = [atom.offset for atom in value if isinstance(atom, Stack)]
            escaped = min((*offsets, *(() if escaped is None else (escaped,))), default=None)
        return State(kept, self.slots, escaped)

    def forget(self, names: Iterable[str]) -> State:
        """The values of these registers become unknown."""
        gone = frozenset(names)
        kept = {name: known for name, known in self.registers.items() if name not in gone}
        return State(kept, self.slots, self.escaped)

    def load(self, offset: int, size: int) -> Value:
        """The value of a slot; a part of one has its value, if it is the lower part."""
        values = [known for (at, length), known in self.slots.items() if at == offset and length >= size]
        return values[0] if values else UNKNOWN

    def store(self, offset: int, size: int, value: Value) -> State:
        """A slot gets a value; what it overlaps with is gone."""
        kept = {
            (at, length): known
            for (at, length), known in self.slots.items()
            if at + length <= offset or offset + size <= at
        }
        if value != UNKNOWN and size in (4, 8):
            kept[offset, size] = value
        return State(self.registers, kept, self.escaped)

    def disturb(self, *, all_slots: bool = False) -> State:
        """Somebody wrote somewhere: slots that others may know of are gone."""
        if all_slots:
            return State(self.registers, {}, self.escaped)
        limit = self.escaped
        if limit is None:
            return self
        kept = {place: known for place, known in self.slots.items() if sum(place) <= limit}
        return State(self.registers, kept, limit)

    def join(self, other: State) -> State:
        """What holds on both of two paths."""
        escaped = [place for place in (self.escaped, other.escaped) if place is not None]
        return State(_join(self.registers, other.registers), _join(self.slots, other.slots), min(escaped, default=None))


def entered() -> State:
    """The state in which a function begins."""
    arguments: dict[str, Value] = {name: frozenset({Argument(index)}) for index, name in enumerate(ARGUMENTS)}
    return State({**arguments, "rsp": frozenset({Stack(0)})})


def limited(atoms: Iterable[Atom]) -> Value:
    """A value of these; unknown when there are too many, as in a loop that counts."""
    value = frozenset(atoms)
    return UNKNOWN if len(value) > _MOST else value


def truncated(value: Value, size: int) -> Value:
    """The value in the lower ``size`` bytes of a register, the others being 0. A number of a call fits in 4."""
    if size == 8 or value == UNKNOWN:
        return value
    mask = (1 << 8 * size) - 1
    return limited(
        atom & mask if isinstance(atom, int) else atom if isinstance(atom, Argument) and size == 4 else Unknown.VALUE
        for atom in value
    )


def extended(value: Value, size: int) -> Value:
    """The value of ``size`` bytes with its sign carried on to 8."""
    if size == 8 or value == UNKNOWN:
        return value
    sign, mask = 1 << (8 * size - 1), (1 << 8 * size) - 1
    return limited(
        ((atom & mask ^ sign) - sign) & MASK_64
        if isinstance(atom, int)
        else atom
        if isinstance(atom, Argument) and size == 4
        else Unknown.VALUE
        for atom in value
    )


def plus(value: Value, amount: int) -> Value:
    """The value moved by a constant: numbers and addresses of the stack."""
    if value == UNKNOWN:
        return value
    return limited(
        (atom + amount) & MASK_64
        if isinstance(atom, int)
        else Stack(atom.offset + amount)
        if isinstance(atom, Stack)
        else atom
        if amount == 0
        else Unknown.VALUE
        for atom in value
    )


def _join(left: Mapping[Key, Value], right: Mapping[Key, Value]) -> dict[Key, Value]:
    joined = {}
    for key in left.keys() & right.keys():
        one, other = left[key], right[key]
        value = one if one == other else limited(one | other)
        if value != UNKNOWN:
            joined[key] = value
    return joined
