# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of one system call: a call of the gate in its place, a jump to the gate, or what it was.

The **call** takes the place of the seven bytes ``mov $number, %eax; syscall``. It writes its return address
below the stack pointer, so it is only chosen where that can't matter.

The **jump** takes five bytes *before* the SYSCALL, whose instructions run elsewhere, and comes back behind it.
The SYSCALL stays, as the place to which the kernel goes back for a call that a signal has interrupted: a
handler then finds the program counter where it always was, and unwinders know the function. Where there is no
room before, or other code leads to the SYSCALL, the five bytes are the SYSCALL and what follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from unilinux.redirect.decode import Instruction, Memory, Register
from unilinux.redirect.program import Function
from unilinux.redirect.rewrite.cancellation import is_between_labels, is_cancelled_anywhere
from unilinux.redirect.rewrite.targets import Survey

JUMP_SIZE = 5  # bytes of "jmp" with a distance of 32 bits
CALL_SIZE = 7  # bytes of "call" through a pointer at an absolute address
GATE_NUMBERS = 512  # for which the gate has an entry each (RING0_GATE_NRS)

_SIGRETURN = 15
_SIGRETURN_CODE = (b"\x48\xc7\xc0\x0f\0\0\0", b"\xb8\x0f\0\0\0")  # before the SYSCALL
# munmap(), fork(), vfork(), clone(), clone3() and exit(): the stack may be gone, shared, or another one afterwards.
_WITHOUT_STACK = frozenset({11, 56, 57, 58, 60, 435})
# Calls that wait, and are made again after a signal (pthreads(7) lists them as cancellation points). glibc before
# 2.41 unwinds the stack from the handler, so the program counter should be in the function.
_WAITING = frozenset(
    {0, 1, 2, 7, 16, 17, 18, 19, 20, 23, 26, 34, 35, 42, 43, 44, 45, 46, 47, 61, 65, 69, 70, 72, 73, 74, 75, 85}
    | {128, 130, 202, 208, 220, 230, 232, 242, 243, 247, 257, 270, 271, 275, 276, 278, 281, 288, 295, 296, 299}
    | {306, 307, 318, 326, 327, 328, 426, 437, 441, 449}
)
_NEVER_MOVED = frozenset(
    {"syscall", "sysenter", "int", "int3", "int1", "hlt", "ud2", "xbegin", "loop", "loope", "loopne"}
)
_PADDING = frozenset({"nop", "int3"})
_LOOK_AHEAD = 32  # instructions in which flags are read or written again


class Shape(Enum):
    """How a system call gets its number."""

    MOV = "mov $number, %eax; syscall"
    MOV_64 = "mov $number, %rax; syscall"
    EARLIER = "the number is set some instructions before"
    UNKNOWN = "the number comes from elsewhere"


@dataclass(frozen=True, slots=True)
class Call:
    """A call in place of ``old``, the instructions from ``address`` on."""

    address: int
    old: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump in place of the instructions ``before`` the SYSCALL and ``after`` it.

    With any after, the SYSCALL itself moves, too.
    """

    address: int
    old: bytes
    before: tuple[Instruction, ...]
    after: tuple[Instruction, ...]
    syscall: Instruction
    moves_syscall: bool


@dataclass(frozen=True, slots=True)
class Trap:
    """It stays what it was; ``why`` completes "it stays, since ..."."""

    why: str


Treatment = Call | Jump | Trap


@dataclass(kw_only=True)
class Surroundings:
    """A function in which system calls are looked at, one after the other in the order of addresses.

    ``tables`` are addresses that its tables of jumps have, ``relocated`` those that the loader changes.
    ``spends_stack``: eight more bytes of the stack may be used below its stack pointer. ``cancelled``: threads
    of the process may be cancelled.
    """

    function: Function
    code: Sequence[Instruction]
    survey: Survey
    tables: frozenset[int] = frozenset()
    relocated: frozenset[int] = frozenset()
    spends_stack: bool = True
    cancelled: bool = True
    taken_until: int = field(default=0, init=False)

    @cached_property
    def has_red_zone(self) -> bool:
        """Whether it may keep something below its stack pointer, where a call writes."""
        return any(_below_stack(one) for one in self.code) or self._below_frame()

    def number(self, index: int) -> int | None:
        """The number in RAX at an instruction, if it is set in the run of instructions before."""
        for place in range(index - 1, -1, -1):
            one = self.code[place]
            if self.leads_to(self.code[place + 1].address) or one.ends_block or one.transfer.calls:
                return None
            if "rax" in one.effect.writes:
                return _constant(one)
        return None

    def leads_to(self, address: int) -> bool:
        """Whether something other than the instruction before leads there."""
        return address in self.tables or self.survey.leads_to(address)

    def bytes_of(self, start: int, end: int) -> bytes:
        """The code from an address to another."""
        return self.function.code[start - self.function.address : end - self.function.address]

    def _below_frame(self) -> bool:
        """Whether it reaches further below its frame pointer than its prologue moves the stack pointer."""
        lowest = min(
            (
                operand.displacement
                for one in self.code
                for operand in one.operands
                if isinstance(operand, Memory) and operand.base == "rbp"
            ),
            default=0,
        )
        return lowest < 0 and -lowest > self._allocated()

    def _allocated(self) -> int:
        """How far the prologue moves the stack pointer, once the frame pointer is set; in bytes."""
        start = next((n for n, one in enumerate(self.code) if _is_move(one, "rbp", "rsp")), None)
        total = 0
        for one in self.code[start + 1 :] if start is not None else ():
            if one.mnemonic == "push":
                total += 8
            elif one.mnemonic == "sub" and one.operands[0] == Register("rsp", 8) and isinstance(one.operands[1], int):
                return total + one.operands[1]
            elif one.transfer.jumps or one.transfer.calls or one.transfer.returns or one.mnemonic in ("pop", "syscall"):
                break
        return total


def shape_of(around: Surroundings, index: int) -> tuple[Shape, int | None]:
    """How a system call gets its number, and which it is."""
    number = around.number(index)
    if number is None:
        return Shape.UNKNOWN, None
    before = around.code[index - 1]
    setter = around.bytes_of(before.address, before.end)
    if setter[:1] == b"\xb8" and before.size == 5:
        return Shape.MOV, number
    if setter[:3] == b"\x48\xc7\xc0" and before.size == 7:
        return Shape.MOV_64, number
    return Shape.EARLIER, number


def choose(around: Surroundings, index: int) -> Treatment:
    """What becomes of the SYSCALL that is the instruction of that index."""
    shape, number = shape_of(around, index)
    why = _forbidden(around, index, number)
    if why:
        return Trap(why)
    # In the order of what they cost; but what leads to the SYSCALL itself is only met at the SYSCALL.
    jumps = (_jump_before, _jump_over)
    if around.leads_to(around.code[index].address):
        jumps = (_jump_over, _jump_before)
    found = _call(around, index, shape, number) or jumps[0](around, index) or jumps[1](around, index)
    if found is None:
        return Trap("there is no room for a jump that no other code leads into")
    around.taken_until = found.address + len(found.old)
    return found


def _forbidden(around: Surroundings, index: int, number: int | None) -> str | None:
    syscall = around.code[index]
    code = around.bytes_of(around.function.address, syscall.address)
    if number == _SIGRETURN or code.endswith(_SIGRETURN_CODE):
        return "unwinders and debuggers know the return from a signal by its bytes"
    for_cancellation = is_between_labels(code)
    if for_cancellation and around.cancelled:
        return "a C library's handler asks whether a thread that is cancelled is there"
    if syscall.end in around.survey.taken and not for_cancellation:
        return "its address is taken: a handler of signals may ask whether a call is being made there"
    if around.cancelled and is_cancelled_anywhere(around.code, index):
        return "a thread that is cancelled there has its stack unwound, from where it is"
    if _flags_matter(around.code, index):
        return "flags from before it are used after it, which the gate doesn't keep"
    return None


def _call(around: Surroundings, index: int, shape: Shape, number: int | None) -> Call | None:
    if shape not in (Shape.MOV, Shape.MOV_64) or number is None or number >= GATE_NUMBERS:
        return None
    if number in _WITHOUT_STACK | _WAITING or not around.spends_stack or around.has_red_zone:
        return None
    start, end = around.code[index - 1].address, around.code[index].end
    if not _is_free(around, start, end):
        return None
    return Call(start, around.bytes_of(start, end), number)


def _jump_before(around: Surroundings, index: int) -> Jump | None:
    """The shortest run of instructions before the SYSCALL that has room. The SYSCALL may be led to: it stays."""
    syscall = around.code[index]
    for first in range(index - 1, -1, -1):
        one = around.code[first]
        if not _may_move(one) or not _is_free(around, one.address, syscall.address):
            return None
        if syscall.address - one.address >= JUMP_SIZE:
            before = tuple(around.code[first:index])
            old = around.bytes_of(one.address, syscall.address)
            return Jump(one.address, old, before, (), syscall, moves_syscall=False)
    return None


def _jump_over(around: Surroundings, index: int) -> Jump | None:
    """As much as can be had before the SYSCALL, itself, and as much after it as is needed."""
    syscall = around.code[index]
    first = index
    while (
        first
        and not around.leads_to(around.code[first].address)
        and _may_move(around.code[first - 1])
        and _is_free(around, around.code[first - 1].address, syscall.end)
    ):
        first -= 1
    last = index
    while (end := around.code[last].end) - around.code[first].address < JUMP_SIZE:
        if last + 1 == len(around.code):
            return None
        following = around.code[last + 1]
        ended = last > index and around.code[last].ends_block
        if not (following.mnemonic in _PADDING if ended else _may_move(following, last=True)):
            return None
        last += 1
    start = around.code[first].address
    if not _is_free(around, start, end):
        return None
    return Jump(
        start,
        around.bytes_of(start, end),
        tuple(around.code[first:index]),
        tuple(around.code[index + 1 : last + 1]),
        syscall,
        moves_syscall=True,
    )


def _is_free(around: Surroundings, start: int, end: int) -> bool:
    """Whether nothing leads between the two addresses, nothing there is another's, and no loader changes it."""
    if start < around.taken_until or any(around.leads_to(place) for place in range(start + 1, end)):
        return False
    return around.relocated.isdisjoint(range(start - 7, end))


def _may_move(one: Instruction, *, last: bool = False) -> bool:
    """Whether an instruction does the same elsewhere, once its displacement or distance is corrected."""
    if one.transfer.calls or one.enters or one.mnemonic in _NEVER_MOVED:
        return False
    if one.transfer.jumps:
        return one.target is not None and (last or one.mnemonic != "jmp")
    return last if one.transfer.returns else True


def _flags_matter(code: Sequence[Instruction], index: int) -> bool:
    """Whether flags are read after an instruction before they are written."""
    for one in code[index + 1 : index + 1 + _LOOK_AHEAD]:
        if one.reads_flags:
            return True
        if one.writes_flags or one.transfer.calls or one.transfer.returns or one.ends_block or one.enters:
            return False
    return False


def _constant(one: Instruction) -> int | None:
    left, right = (*one.operands, None, None)[:2]
    if one.mnemonic == "mov" and isinstance(right, int) and isinstance(left, Register) and left.size >= 4:
        return right & 0xFFFFFFFF
    return 0 if one.mnemonic == "xor" and left == right else None


def _below_stack(one: Instruction) -> bool:
    """Whether an instruction reaches below the stack pointer, or copies that to where it is lost from sight."""
    if any(
        isinstance(operand, Memory) and operand.base == "rsp" and operand.displacement < 0 for operand in one.operands
    ):
        return True
    copies = one.mnemonic == "mov" and len(one.operands) == 2 and one.operands[1] == Register("rsp", 8)
    return copies and isinstance(one.operands[0], Register) and one.operands[0].name != "rbp"


def _is_move(one: Instruction, target: str, source: str) -> bool:
    return one.mnemonic == "mov" and one.operands == (Register(target, 8), Register(source, 8))
