# SPDX-License-Identifier: GPL-2.0-only
"""CPUs and memory."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Processors(Part):
    """``count`` CPUs. Their model depends on the accelerator and is chosen at run time.

    How many CPUs a kernel supports at most (NR_CPUS) is up to the profile.
    """

    name: str = "cpu"
    count: int

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """64 bits, a paravirtual clock, and SMP for more than one."""
        smp = (wish("SMP", why="more than one CPU"),) if self.count > 1 else ()
        return (
            wish("64BIT", why="applications are x86-64"),
            wish("PARAVIRT", why="menu of KVM_GUEST"),
            wish("KVM_GUEST", why="under KVM the host tells the frequency of the clock: nothing to calibrate"),
            *smp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory(Part):
    """``size_mib`` MiB of memory."""

    name: str = "memory"
    size_mib: int

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """A kernel that is loaded low."""
        return (
            wish("EXPERT", why="menu of PHYSICAL_START"),
            wish("PHYSICAL_START", "0x200000", why="the default of 16 MiB takes that much more memory to boot"),
        )
