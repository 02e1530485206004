"""What runs the guest's instructions: KVM, or QEMU's own translator (TCG)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AcceleratorName = Literal["tcg", "kvm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """An accelerator, and for people why it is this one.

    ``tsc_khz`` is the frequency of the guest's time stamp counter, where it has no
    other way to know it than to measure.
    """

    name: AcceleratorName
    reason: str
    tsc_khz: int | None = None

    def qemu(self, cpus: int) -> tuple[str, ...]:
        """QEMU arguments: the accelerator and the best CPU model that it has."""
        if self.name == "kvm":
            return ("-accel", "kvm", "-cpu", "host")
        # Told of fast string instructions Linux uses them, and TCG runs those byte by byte.
        return ("-accel", f"tcg,thread={'single' if cpus == 1 else 'multi'}", "-cpu", "max,-erms")

    def cmdline(self, cpus: int) -> tuple[str, ...]:
        """Words for the kernel's command line that only fit this accelerator."""
        words: list[str] = []
        if self.name == "tcg" and cpus == 1:
            # TCG has no TSC deadline timer, and to calibrate the local APIC's timer takes
            # Linux 200 ms and 215 million instructions; the PIT, whose frequency is known,
            # does as well. Further CPUs would have no timer of their own without it.
            words.append("nolapic_timer")
        if self.name == "tcg" and self.tsc_khz is not None:
            # On a busy host Linux fails to calibrate the TSC, or finds later on that it doesn't
            # agree with timer interrupts, of which QEMU then loses some; its clocks count ticks
            # of 10 ms from then on. It is the host's own counter, which the host found steady.
            words += [f"tsc_early_khz={self.tsc_khz}", "tsc=reliable"]
        return tuple(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendedAccelerator(Accelerator):
    """The same with further QEMU arguments: a debugger's, for example."""

    further: tuple[str, ...]

    def qemu(self, cpus: int) -> tuple[str, ...]:
        """QEMU arguments."""
        return (*Accelerator.qemu(self, cpus), *self.further)
