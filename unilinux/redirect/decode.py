# SPDX-License-Identifier: GPL-2.0-only
"""Machine code as instructions: the one place that knows the disassembler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # it takes long to load, and most builds find what it said in the store
    import capstone
    from capstone import x86

# System calls by the gate: pointers at constant addresses (arch/x86/include/asm/ring0-gate.h of the patches).
GATE = 0xFFFFFFFFFF600000
GATE_ENDS = GATE + 0x2000
DISASSEMBLER = f"capstone {version('capstone')}"
MASK_64 = (1 << 64) - 1

_NAMES_64 = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))


@dataclass(frozen=True, slots=True)
class Transfer:
    """Where the name of an instruction lets control go: back to a caller, into a function, or somewhere else.

    ``ends``: what stands behind it is not what runs next.
    """

    returns: bool
    calls: bool
    jumps: bool
    ends: bool


@cache
def transfer(mnemonic: str) -> Transfer:
    """What an instruction of that name does, whatever prefixes it has."""
    name = mnemonic.rsplit(maxsplit=1)[-1]
    returns = name.startswith(("ret", "iret", "sysret", "sysexit"))
    return Transfer(
        returns=returns,
        calls=name in ("call", "lcall"),
        jumps=name.startswith(("j", "loop")) or name in ("ljmp", "xbegin"),
        ends=returns or name in ("jmp", "ljmp", "hlt", "ud2"),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction as text, in Intel's syntax."""

    address: int
    size: int
    mnemonic: str
    operands: str

    @property
    def text(self) -> str:
        """As an assembler would take it."""
        return f"{self.mnemonic} {self.operands}".rstrip()

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size

    @property
    def transfer(self) -> Transfer:
        """Where control goes."""
        return transfer(self.mnemonic)

    @property
    def target(self) -> int | None:
        """Where a direct jump or call goes."""
        direct = self.operands[:1].isdecimal() and (self.transfer.jumps or self.transfer.calls)
        return int(self.operands, 0) if direct else None

    @property
    def gate(self) -> int | None:
        """The address at which it finds the kernel's gate, if it calls that or jumps there."""
        if "[0xffffffffff60" not in self.operands or self.mnemonic not in ("call", "jmp"):
            return None
        address = int(self.operands.partition("[")[2].rstrip("]"), 16)
        return address if GATE <= address < GATE_ENDS else None

    @property
    def enters(self) -> bool:
        """Whether it is a system call that comes back: SYSCALL, or a call of the gate or jump to it."""
        return self.mnemonic == "syscall" or self.gate is not None

    @property
    def ends_block(self) -> bool:
        """Whether what stands behind it is not what runs next. (Who jumps to the gate has itself called back there.)"""
        return self.transfer.ends and not self.enters


@dataclass(frozen=True, slots=True)
class Memory:
    """An operand in memory. ``index`` stands for any address that isn't base and displacement alone; size in bytes."""

    base: str | None
    index: bool
    displacement: int
    size: int


@dataclass(frozen=True, slots=True)
class Register:
    """A register as an operand, by the name of its 64 bits.

    ``size`` in bytes is how much of it is meant, ``high`` whether that is the second byte (AH).
    """

    name: str
    size: int
    high: bool = False


Operand = int | Register | Memory


@dataclass(frozen=True, slots=True)
class Effect:
    """All that an instruction does to registers. ``writes`` has the names of their 64 bits."""

    mnemonic: str
    operands: tuple[Operand, ...]
    writes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """An instruction with all that must be known to let it run elsewhere.

    ``reads_flags`` and ``writes_flags`` are about the status flags. ``relative_at`` is where in its bytes there is
    a displacement from the program counter, of four bytes; None: it has no such operand in memory.
    """

    address: int
    size: int
    effect: Effect
    reads_flags: bool
    writes_flags: bool
    relative_at: int | None

    @property
    def mnemonic(self) -> str:
        """Its name, without prefixes that change nothing."""
        return self.effect.mnemonic

    @property
    def operands(self) -> tuple[Operand, ...]:
        """Its operands; addresses that are told relative to itself are absolute here."""
        return self.effect.operands

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size

    @property
    def transfer(self) -> Transfer:
        """Where control goes."""
        return transfer(self.mnemonic)

    @property
    def target(self) -> int | None:
        """Where a direct jump or call goes."""
        direct = (self.transfer.jumps or self.transfer.calls) and len(self.operands) == 1
        return self.operands[0] if direct and isinstance(self.operands[0], int) else None

    @property
    def enters(self) -> bool:
        """Whether it is a system call that comes back: SYSCALL, or a call of the gate or jump to it."""
        operand = self.operands[0] if self.operands else None
        constant = isinstance(operand, Memory) and operand.base is None
        gate = isinstance(operand, Memory) and constant and GATE <= operand.displacement & MASK_64 < GATE_ENDS
        return self.mnemonic == "syscall" or (gate and self.mnemonic in ("call", "jmp"))

    @property
    def ends_block(self) -> bool:
        """Whether what stands behind it is not what runs next."""
        return self.transfer.ends and not self.enters


def words(code: bytes, address: int) -> Iterator[tuple[int, int, str, str]]:
    """Decode as text until the end, or until bytes that are no instruction: address, size, mnemonic and operands."""
    return cast("Iterator[tuple[int, int, str, str]]", _text_decoder().disasm_lite(code, address))


def lines(code: bytes, address: int) -> Iterator[Line]:
    """Decode as text until the end, or until bytes that are no instruction."""
    return (Line(*line) for line in words(code, address))


def effect(code: bytes, address: int) -> Effect:
    """What the instruction does that the bytes are.

    What stands at another address does the same, unless it has an operand relative to itself.
    """
    from capstone import x86

    return _effect(next(_decoder().disasm(code, address, 1)), x86)


def instructions(code: bytes, address: int) -> Iterator[Instruction]:
    """Decode in full until the end, or until bytes that are no instruction."""
    from capstone import x86

    tested, modified = _flag_bits(x86)
    for decoded in _decoder().disasm(code, address):
        memory = [operand.mem for operand in decoded.operands if operand.type == x86.X86_OP_MEM]
        relative = any(operand.base == x86.X86_REG_RIP for operand in memory)
        yield Instruction(
            address=decoded.address,
            size=decoded.size,
            effect=_effect(decoded, x86),
            reads_flags=decoded.mnemonic in _PUSHES_FLAGS or _has_flags(decoded, tested, x86),
            writes_flags=_has_flags(decoded, modified, x86),
            relative_at=decoded.disp_offset if relative else None,
        )


def _effect(decoded: capstone.CsInsn, x86: ModuleType) -> Effect:
    _, written = decoded.regs_access()
    return Effect(
        mnemonic=decoded.mnemonic.removeprefix("notrack ").removeprefix("bnd "),
        operands=tuple(_operand(decoded, operand, x86) for operand in decoded.operands),
        writes=frozenset(name for register in written if (name := _whole(decoded.reg_name(register)))),
    )


def _has_flags(decoded: capstone.CsInsn, bits: int, x86: ModuleType) -> bool:
    """Whether it does that to flags. Of instructions of the FPU the disassembler tells other ones in the same place."""
    return bool(decoded.eflags & bits) and x86.X86_GRP_FPU not in decoded.groups


@cache
def _flag_bits(x86: ModuleType) -> tuple[int, int]:
    """The bits by which the disassembler says that a status flag is read, and that it is written."""
    status = ("_OF", "_SF", "_ZF", "_AF", "_PF", "_CF")
    names = [name for name in dir(x86) if name.startswith("X86_EFLAGS_") and name.endswith(status)]
    tested = sum(getattr(x86, name) for name in names if "_TEST_" in name)
    return tested, sum(getattr(x86, name) for name in names if "_TEST_" not in name and "_PRIOR_" not in name)


@cache
def _decoder() -> capstone.Cs:
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    return decoder


@cache
def _text_decoder() -> capstone.Cs:
    import capstone

    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)


def _operand(decoded: capstone.CsInsn, operand: x86.X86Op, x86: ModuleType) -> Operand:
    if operand.type == x86.X86_OP_IMM:
        return int(operand.imm)
    if operand.type == x86.X86_OP_REG:
        name = decoded.reg_name(operand.reg)
        return Register(_whole(name) or name, operand.size, high=name in _HIGH)
    base = decoded.reg_name(operand.mem.base)
    displacement = operand.mem.disp
    if base == "rip":
        base, displacement = None, displacement + decoded.address + decoded.size
    index = operand.mem.index != x86.X86_REG_INVALID or operand.mem.segment != x86.X86_REG_INVALID
    return Memory(_whole(base) if base else None, index, displacement, operand.size)


def _whole(name: str) -> str | None:
    """The 64 bit register that a register is a part of; None for what is no general register."""
    return _WHOLE.get(name)


def _parts() -> Iterator[tuple[str, str]]:
    for name in _NAMES_64[:8]:
        short = name[1:]
        yield from ((part, name) for part in (name, f"e{short}", short))
        yield from ((part, name) for part in ((f"{short[0]}l", f"{short[0]}h") if short[1] == "x" else (f"{short}l",)))
    for name in _NAMES_64[8:]:
        yield from ((part, name) for part in (name, f"{name}d", f"{name}w", f"{name}b"))


_PUSHES_FLAGS = frozenset({"pushfq", "pushf", "lahf"})
_WHOLE = dict(_parts())
_HIGH = frozenset({"ah", "bh", "ch", "dh"})
