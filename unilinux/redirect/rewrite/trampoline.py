# SPDX-License-Identifier: GPL-2.0-only
"""The bytes of what takes a system call's place, and of the pieces of code that the jumps lead to."""

from __future__ import annotations

import struct

from unilinux.core.errors import BuildError
from unilinux.elf.extension import Edit
from unilinux.redirect.decode import GATE, Instruction
from unilinux.redirect.rewrite.treatment import Call, Jump

JUMP_GATE = GATE + 0x10  # the pointer that a jump to the gate goes through; RCX is where it comes back to
NUMBER_GATES = GATE + 0x1000  # the pointers for calls by number, of 8 bytes each

_DISTANCE = struct.Struct("<i")
_SYSCALL = b"\x0f\x05"
_NOP_2 = b"\x66\x90"
_INT3 = b"\xcc"


def call_edit(call: Call) -> Edit:
    """``call *(NUMBER_GATES + 8 * number)``; what is longer begins with a NOP, so that it returns to the same place."""
    target = NUMBER_GATES + 8 * call.number
    code = b"\xff\x14\x25" + struct.pack("<I", target & 0xFFFFFFFF)
    return Edit(call.address, call.old, _NOP_2[: len(call.old) - len(code)] + code)


def jump_edit(jump: Jump, trampoline: int) -> Edit:
    """A jump to the trampoline; what is left of the old instructions never runs.

    :raise BuildError: it is too far away.
    """
    code = b"\xe9" + _distance(trampoline, jump.address + 5)
    return Edit(jump.address, jump.old, code + _INT3 * (len(jump.old) - len(code)))


def trampoline(jump: Jump, code: bytes, start: int, address: int) -> bytes:
    """The code at ``address`` that a jump leads to: displaced instructions, the way through the gate, and back.

    :param code: the function's bytes, which begin at ``start``.
    :raise BuildError: something it refers to is too far away.
    """
    made = b""
    for one in jump.before:
        made += _moved(one, code[one.address - start : one.end - start], address + len(made))
    through = b"\xff\x24\x25" + struct.pack("<I", JUMP_GATE & 0xFFFFFFFF)
    after_lea = address + len(made) + 7
    if not jump.moves_syscall:
        return made + b"\x48\x8d\x0d" + _distance(jump.syscall.end, after_lea) + through
    # Here, too, a SYSCALL stands before where the gate comes back to.
    back = after_lea + len(through) + len(_SYSCALL)
    made += b"\x48\x8d\x0d" + _distance(back, after_lea) + through + _SYSCALL
    for one in jump.after:
        made += _moved(one, code[one.address - start : one.end - start], address + len(made))
    if jump.after and any(one.ends_block for one in jump.after):
        return made
    return made + b"\xe9" + _distance(jump.address + len(jump.old), address + len(made) + 5)


def _moved(one: Instruction, code: bytes, address: int) -> bytes:
    """An instruction as it must be at another address to do the same."""
    if one.target is not None:
        if one.mnemonic == "jmp":
            return b"\xe9" + _distance(one.target, address + 5)
        # The condition is the lower half of the opcode's last byte, in the short and in the long form.
        opcode = next(byte for byte in code if byte >> 4 in (0x7, 0x8))
        return bytes((0x0F, 0x80 | opcode & 0xF)) + _distance(one.target, address + 6)
    if one.relative_at is None:
        return code
    at = one.relative_at
    (old,) = _DISTANCE.unpack_from(code, at)
    return code[:at] + _distance(one.end + old, address + one.size) + code[at + _DISTANCE.size :]


def _distance(target: int, end: int) -> bytes:
    """From the end of an instruction to an address."""
    try:
        return _DISTANCE.pack(target - end)
    except struct.error as error:
        raise BuildError(f"{target:#x} is too far from {end:#x} for a jump") from error
