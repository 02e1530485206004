"""What runs the guest's instructions: KVM, or QEMU's own translator (TCG)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AcceleratorName = Literal["tcg", "kvm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """An accelerator, and for people why it is this one."""

    name: AcceleratorName
    reason: str

    def qemu(self, cpus: int) -> tuple[str, ...]:
        """QEMU arguments: the accelerator and the best CPU model that it has."""
        if self.name == "kvm":
            return ("-accel", "kvm", "-cpu", "host")
        return ("-accel", f"tcg,thread={'single' if cpus == 1 else 'multi'}", "-cpu", "max")

    def cmdline(self, cpus: int) -> tuple[str, ...]:
        """Words for the kernel's command line that only fit this accelerator."""
        if self.name == "tcg" and cpus == 1:
            # TCG has no TSC deadline timer, and to calibrate the local APIC's timer takes
            # Linux 200 ms and 215 million instructions; the PIT, whose frequency is known,
            # does as well. Further CPUs would have no timer of their own without it.
            return ("nolapic_timer",)
        return ()
