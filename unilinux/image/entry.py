# SPDX-License-Identifier: GPL-2.0-only
"""How an image's programs run and enter the kernel: their ring, and the rung of the system call ladder."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.app.built import GATE, TRAP
from unilinux.app.files import File
from unilinux.arch.architecture import X86_64
from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.kconfig.profile import Profile
from unilinux.kconfig.wish import Origin, Wish

RINGS = X86_64.rings
SYSCALLS = (TRAP, GATE, "lean")
KEPT = ("all", "used")

_ORIGIN = Origin("unilinux/image/entry.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``ring`` is the CPL of the programs' code, ``syscall`` how they make system calls unless they say otherwise.

    ``trap`` is the SYSCALL instruction, ``gate`` a function call into the kernel,
    ``lean`` the same with a shorter path behind it.

    ``kept`` says which system calls the kernel has: ``all``, or those ``used`` by the image's
    programs. If the user has ``insisted`` on that, a program for which it can't be told is refused.
    """

    ring: int
    syscall: str
    kept: str = "all"
    insisted: bool = False

    @property
    def gated(self) -> bool:
        """Whether the kernel has a gate for programs to call."""
        return self.syscall != TRAP

    def way_of(self, file: File) -> str:
        """How one program enters the kernel: as the image's usual programs do, or as it says itself."""
        return GATE if self.gated and file.syscall is None else TRAP

    def syscall_of(self, file: File) -> str:
        """How one program makes system calls, in the words of :attr:`syscall`."""
        return self.syscall if file.syscall is None else file.syscall

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What the kernel needs for it."""
        wishes = []
        if self.ring == 0:
            wishes.append(Wish("UNILINUX_RING0", "y", _ORIGIN, "the application runs in ring 0"))
        if self.gated:
            wishes.append(Wish("UNILINUX_GATE", "y", _ORIGIN, "system calls are function calls"))
        if self.syscall == "lean":
            wishes.append(Wish("UNILINUX_LEAN_GATE", "y", _ORIGIN, "with the shorter path"))
        if self.kept == "used":
            # Not every series has it: where it is missing, a profile's choice changes nothing, the user's is refused.
            why = "system calls that nobody makes are left out"
            wishes.append(Wish("UNILINUX_SYSCALLS", "y", _ORIGIN, why, optional=not self.insisted))
        return tuple(wishes)


def usual_entry(profile: Profile) -> Entry:
    """What a profile says; ring 3 and the SYSCALL instruction where it says nothing."""
    said = profile.entry
    return Entry(
        ring=3 if said.ring is None else said.ring, syscall=said.syscall or "trap", kept=said.syscalls or "all"
    )


def choose_entry(profile: Profile, ring: int | None, syscall: str | None, syscalls: str | None = None) -> Entry:
    """The profile's entry, changed by what the user asks for.

    :raise UsageError: an unknown ring or kind of system call, or a gate in ring 3.
    """
    usual = usual_entry(profile)
    if ring is None:
        ring = usual.ring
    if ring not in RINGS:
        raise UsageError(f"there is no ring {ring} for applications (known: 0, 3)", hint="--ring 0 or --ring 3")
    if syscall is None:
        syscall = usual.syscall if ring == 0 else "trap"
    if syscall not in SYSCALLS:
        raise UsageError(unknown("kind of system call", syscall, SYSCALLS))
    if ring != 0 and syscall != "trap":
        raise UsageError(
            f"--syscall {syscall} takes ring 0: in ring 3 the kernel cannot be called as a function",
            hint=f"--ring 0 --syscall {syscall}, or --syscall trap",
        )
    if syscalls is not None and syscalls not in KEPT:
        raise UsageError(unknown("choice of system calls", syscalls, KEPT))
    return Entry(ring=ring, syscall=syscall, kept=syscalls or usual.kept, insisted=syscalls == "used")
