# SPDX-License-Identifier: GPL-2.0-only
"""For gdb: backtraces from the kernel to the program that called it, through the gate and SYSCALL's entry.

The entry code is assembly without unwind tables. Where it calls C, the stack pointer is that of pt_regs:

    gdb -x unwind.py vmlinux.debug
"""

from typing import Any

import gdb  # type: ignore[import-untyped]
from gdb.unwinder import Unwinder, register_unwinder  # type: ignore[import-untyped]

# Offsets in struct pt_regs; the lean gate saves these two as well.
_RIP, _RSP = 128, 152
# What the kernel's C code preserves and the gate doesn't touch: as it is in the frame.
_PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
# By the call forms the return address is still on the user's stack.
_CALLS = ("ring0_gate_call",)
_ENTRIES = (*_CALLS, "ring0_gate_jmp", "entry_SYSCALL_64")
_KERNEL_HALF = 1 << 63


class _FrameId:
    def __init__(self, sp: Any, pc: Any) -> None:
        self.sp, self.pc = sp, pc


class GateUnwinder(Unwinder):  # type: ignore[misc]
    """Knows who is the caller of the entry code."""

    def __init__(self) -> None:
        super().__init__("unilinux-gate")

    def __call__(self, frame: Any) -> Any:
        """The caller's registers, or None: it isn't the entry code, or on the user's stack."""
        pc, sp = frame.read_register("rip"), frame.read_register("rsp")
        name = _function(_unsigned(pc))
        if name not in _ENTRIES or _unsigned(sp) < _KERNEL_HALF:
            return None
        info = frame.create_unwind_info(_FrameId(sp, pc))
        for register in _PRESERVED:
            info.add_saved_register(register, frame.read_register(register))
        info.add_saved_register("rip", _read(_unsigned(sp) + _RIP))
        info.add_saved_register("rsp", _read(_unsigned(sp) + _RSP) + (8 if name in _CALLS else 0))
        return info


def _unsigned(value: Any) -> int:
    return int(value) % (1 << 64)


def _function(pc: int) -> str:
    """The symbol that an address is in, without its offset."""
    text: str = gdb.execute(f"info symbol {pc:#x}", to_string=True)
    return text.split(maxsplit=1)[0]


def _read(address: int) -> Any:
    word = gdb.lookup_type("unsigned long")
    return gdb.Value(address).cast(word.pointer()).dereference()


register_unwinder(None, GateUnwinder(), replace=True)
