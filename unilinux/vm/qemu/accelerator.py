# SPDX-License-Identifier: GPL-2.0-only
"""What runs the guest's instructions: KVM, or QEMU's own translator (TCG)."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.vm.engine import AcceleratorName


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """An accelerator, and for people why it is this one.

    ``tsc_khz`` is the frequency of the guest's time stamp counter, where it has no
    other way to know it than to measure. ``model`` is the CPU model (``qemu -cpu help``)
    where it shall not be the best that the accelerator has.
    """

    name: AcceleratorName
    reason: str
    tsc_khz: int | None = None
    model: str | None = None

    def arguments(self, cpus: int, *, one_thread: bool = False) -> tuple[str, ...]:
        """QEMU arguments: the accelerator and the CPU model. ``one_thread`` runs all CPUs by turns."""
        if self.name == "kvm":
            return ("-accel", "kvm", "-cpu", self.model or "host")
        threads = "single" if cpus == 1 or one_thread else "multi"
        # Told of fast string instructions Linux uses them, and TCG runs those byte by byte.
        return ("-accel", f"tcg,thread={threads}", "-cpu", self.model or "max,-erms")

    def cmdline(self, cpus: int, *, launched_us: int | None = None) -> tuple[str, ...]:
        """Words for the kernel's command line that only fit this accelerator.

        ``launched_us`` is when the machine is launched, in microseconds since 1970, if the guest
        shall have the host's date.
        """
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
        if self.name == "tcg" and launched_us is not None:
            # The clock chip tells whole seconds. Our init reads this one and sets the clock by it; under
            # KVM the host tells the guest its exact time.
            words.append(f"unilinux_launched_us={launched_us}")
        return tuple(words)
