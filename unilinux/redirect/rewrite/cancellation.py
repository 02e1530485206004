# SPDX-License-Identifier: GPL-2.0-only
"""System calls in which a thread may be cancelled, as C libraries have them, and who cancels threads.

musl, and glibc from 2.41 on, have one function for all of them, between two labels. The handler of the signal
asks whether the program counter is there. Before, glibc's cancellation points say "asynchronously, from now
on" by a call, make the system call, and take it back by a call that gets what the first one returned. In
between the handler unwinds the stack from wherever the program counter is.
"""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.elf.file import Elf
from unilinux.redirect.decode import Instruction, Operand, Register

_NAME = "pthread_cancel"
# What musl's src/thread/x86_64/syscall_cp.s does with its arguments, and glibc's syscall_cancel.S, from 2.41 on:
# mov %rdi,%r11; mov %rsi,%rax; mov %rdx,%rdi; mov %rcx,%rsi; mov %r8,%rdx; mov %r9,%r10; mov 8(%rsp),%r8;
# mov 16(%rsp),%r9; mov %r11,8(%rsp); and the SYSCALL follows.
_BETWEEN_LABELS = bytes.fromhex("4989fb 4889f0 4889d7 4889ce 4c89c2 4d89ca 4c8b442408 4c8b4c2410 4c895c2408")
_RESULT, _ARGUMENT = Register("rax", 4), Register("rdi", 4)
_NEAR = 40  # instructions between the calls and the system call, at most


def is_alone(elf: Elf) -> bool:
    """Whether a program is linked with nothing else when it is started: what it may do, it does itself."""
    return elf.interpreter is None and not any(symbol.name for symbol in elf.dynamic_symbols)


def may_cancel(elf: Elf) -> bool:
    """Whether a program or library names the function that cancels a thread. One that is alone may have lost names."""
    if is_alone(elf):
        return not elf.symbols or any(symbol.name == _NAME for symbol in elf.symbols)
    named = [symbol for symbol in elf.dynamic_symbols if symbol.name == _NAME]
    if named:
        return any(symbol.section is None for symbol in named)  # else it is the C library, which has it
    return f"\0{_NAME}\0".encode() in elf.content  # for dlsym()


def is_between_labels(before: bytes) -> bool:
    """Whether the system call behind these bytes is the one that a C library's handler asks about."""
    return before.endswith(_BETWEEN_LABELS)


def is_cancelled_anywhere(code: Sequence[Instruction], index: int) -> bool:
    """Whether a system call stands between the two calls: what the one returns is handed to the other."""
    before = next((n for n in range(index - 1, max(index - _NEAR, 0) - 1, -1) if code[n].transfer.calls), None)
    if before is None or any(one.ends_block for one in code[before:index]):
        return False
    kept = _kept(code[before + 1 : index])
    handed = kept == _ARGUMENT
    for one in code[index + 1 : index + _NEAR] if kept is not None else ():
        if one.transfer.calls or one.ends_block:
            return handed and one.transfer.calls
        if one.mnemonic == "mov" and one.operands[0] == _ARGUMENT:
            handed = one.operands[1] == kept
        elif "rdi" in one.effect.writes:
            handed = False
    return False


def _kept(code: Sequence[Instruction]) -> Operand | None:
    """Where the result of a call goes, which is an int: to a register, or to the stack."""
    for one in code:
        if one.mnemonic == "mov" and len(one.operands) == 2 and one.operands[1] == _RESULT:
            return one.operands[0]
        if "rax" in one.effect.writes:
            return None
    return None
