# SPDX-License-Identifier: GPL-2.0-only
"""The proof of a rewritten file: it is read and disassembled again, and each change is looked at where it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unilinux.core.errors import BuildError
from unilinux.elf.extension import Edit
from unilinux.elf.file import HEADER_SIZE, Elf, bytes_at
from unilinux.redirect.decode import MASK_64, Instruction, Memory, Register, instructions
from unilinux.redirect.rewrite.trampoline import JUMP_GATE, NUMBER_GATES
from unilinux.redirect.rewrite.treatment import Call, Jump

_LONGEST = 15  # bytes of an instruction


def verify(
    before: Elf, after: Elf, calls: Iterable[Call], jumps: Iterable[tuple[Jump, int]], edits: Iterable[Edit]
) -> None:
    """Compare a file with what it was to become.

    :param jumps: each with the address of its trampoline.
    :raise BuildError: something isn't as it was meant. This is a bug, but the file isn't used.
    """
    _same_but_for(before, after, edits)
    for call in calls:
        _verify_call(after, call)
    for jump, trampoline in jumps:
        _verify_jump(after, jump, trampoline)


def _same_but_for(before: Elf, after: Elf, edits: Iterable[Edit]) -> None:
    """All that was loaded is still loaded there, with the same bytes outside of the edits."""
    edited = sorted(edits, key=lambda edit: edit.address)
    kept = after.loaded[: len(before.loaded)]
    for old, new in zip(before.loaded, kept, strict=True):
        expected = bytearray(old.content)
        for edit in edited:
            start = edit.address - old.address
            if 0 <= start < len(expected):
                expected[start : start + len(edit.new)] = edit.new
        # The file's own header tells where its tables are.
        header = HEADER_SIZE if old.offset == 0 else 0
        expected[:header] = new.content[:header]
        moved = (old.address, old.size_bytes) != (new.address, new.size_bytes)
        if moved or expected != bytearray(new.content):
            raise BuildError(f"{after.path}: more was changed than should be, in the segment at {old.address:#x}")


def _verify_call(elf: Elf, call: Call) -> None:
    end = call.address + len(call.old)
    code = [one for one in _decode(elf, call.address, len(call.old)) if one.mnemonic != "nop"]
    target = _memory(code[0]) if len(code) == 1 and code[0].mnemonic == "call" and code[0].end == end else None
    _require(elf, call.address, target == NUMBER_GATES + 8 * call.number)


def _verify_jump(elf: Elf, jump: Jump, trampoline: int) -> None:
    code = _decode(elf, jump.address, len(jump.old))
    first, rest = code[0], code[1:]
    _require(elf, jump.address, first.mnemonic == "jmp" and first.target == trampoline)
    _require(elf, jump.address, all(one.mnemonic == "int3" for one in rest))
    way = _follow(elf, trampoline)
    for moved in jump.before:
        _require(elf, jump.address, _same(moved, next(way)))
    lea, through = next(way), next(way)
    back = _memory(lea)
    _require(elf, jump.address, lea.mnemonic == "lea" and lea.operands[0] == Register("rcx", 8))
    _require(elf, jump.address, through.mnemonic == "jmp" and _memory(through) == JUMP_GATE and back is not None)
    assert back is not None
    _require(elf, jump.address, bytes_at(elf.loaded, back - 2, 2) == b"\x0f\x05")
    if not jump.moves_syscall:
        _require(elf, jump.address, back == jump.syscall.end)
        return
    way = _follow(elf, back)
    for moved in jump.after:
        _require(elf, jump.address, _same(moved, next(way)))
    if not any(one.ends_block for one in jump.after):
        last = next(way)
        _require(elf, jump.address, last.mnemonic == "jmp" and last.target == jump.address + len(jump.old))


def _follow(elf: Elf, address: int) -> Iterator[Instruction]:
    """The instructions from an address on, as they stand one behind the other."""
    while True:
        content = next((bytes_at(elf.loaded, address, size) for size in range(_LONGEST, 0, -1)
                        if bytes_at(elf.loaded, address, size)), b"")  # fmt: skip
        found = next(instructions(content or b"", address), None)
        if found is None:
            raise BuildError(f"{elf.path}: what was written at {address:#x} is no instruction")
        yield found
        address = found.end


def _decode(elf: Elf, address: int, size: int) -> tuple[Instruction, ...]:
    """The instructions of an edit, which must come out even."""
    code = tuple(instructions(bytes_at(elf.loaded, address, size) or b"", address))
    _require(elf, address, bool(code) and code[-1].end == address + size)
    return code


def _require(elf: Elf, address: int, holds: bool) -> None:
    if not holds:
        raise BuildError(f"{elf.path}: the rewritten system call at {address:#x} isn't what it was to become")


def _same(old: Instruction, new: Instruction) -> bool:
    """Whether an instruction that was moved still does the same: addresses in operands are absolute."""
    return (old.mnemonic, old.operands) == (new.mnemonic, new.operands)


def _memory(one: Instruction) -> int | None:
    """The address of an operand in memory that has a constant one."""
    found = [operand for operand in one.operands if isinstance(operand, Memory)]
    if len(found) != 1 or found[0].base is not None or found[0].index:
        return None
    return found[0].displacement & MASK_64
