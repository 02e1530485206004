# SPDX-License-Identifier: GPL-2.0-only
"""HLT, by which C libraries crash: made an instruction that crashes at any privilege level.

In ring 3 it is SIGSEGV, in ring 0 it waits for an interrupt. ``int $13`` is SIGSEGV in both: the kernel
takes it for the general protection fault that it is in ring 3. It takes a second byte, which must be padding
or part of what nothing else leads to. Where there is none, the byte that is an invalid opcode for ever
(UDB) ends it by SIGILL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from unilinux.elf.extension import Edit
from unilinux.redirect.decode import instructions

_HLT, _INT_13, _UDB, _INT3 = b"\xf4", b"\xcd\x0d", b"\xd6", b"\xcc"
_LONGEST = 15  # bytes of an instruction


class Crash(Enum):
    """What a HLT becomes, by the signal that it ends with."""

    SEGV = "int $13: SIGSEGV, as by HLT in ring 3"
    ILL = "an invalid opcode of one byte: SIGILL"


@dataclass(frozen=True, slots=True)
class Halt:
    """A HLT with what takes its place."""

    function: str
    address: int
    becomes: Crash


def replaced(
    address: int, following: bytes, *, in_function: bool, leads_to: Callable[[int], bool]
) -> tuple[Crash, Edit]:
    """What becomes of the HLT at an address.

    :param following: the bytes behind it, as far as they are code.
    :param in_function: whether these belong to the same function.
    :param leads_to: whether something other than the instruction before leads to an address.
    """
    after = next(instructions(following[:_LONGEST], address + 1), None)
    free = after is not None and not any(leads_to(place) for place in range(after.address, after.end))
    if after is None or not free or not (in_function or after.mnemonic in ("nop", "int3")):
        return Crash.ILL, Edit(address, _HLT, _UDB)
    old = _HLT + following[: after.size]
    return Crash.SEGV, Edit(address, old, (_INT_13 + _INT3 * after.size)[: len(old)])
