# SPDX-License-Identifier: GPL-2.0-only
"""Boards: machine types, each with the bus that virtio devices sit on there."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus(Part):
    """Where a board has its virtio devices. It is part of a machine that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MmioBus(Bus):
    """Virtio over memory-mapped transports, which the kernel's command line names."""

    name: str = "virtio-mmio"

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The transport."""
        return (
            wish("VIRTIO_MENU", why="virtio drivers"),
            wish("VIRTIO_MMIO", why="microvm has its virtio devices on memory-mapped transports"),
            wish("VIRTIO_MMIO_CMDLINE_DEVICES", why="QEMU names them on the kernel's command line"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PciBus(Bus):
    """Virtio over PCI."""

    name: str = "virtio-pci"

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """PCI and the transport."""
        return (
            wish("PCI", why="q35 has its virtio devices on PCI"),
            wish("PCI_MSI", why="without ACPI nobody tells Linux the wiring of PCI interrupts"),
            wish("VIRTIO_MENU", why="virtio drivers"),
            wish("VIRTIO_PCI", why="virtio over PCI"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Board(Part):
    """A machine type without ACPI, by its name in QEMU, whose loader enters a vmlinux by its PVH note."""

    bus: Bus

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """How the kernel is entered, and how a panic ends."""
        return (
            # Not panic=-1, which is read too late for a panic for want of memory.
            wish("PANIC_TIMEOUT", "-1", why="a panic restarts at once, which ends QEMU"),
            wish("HYPERVISOR_GUEST", why="menu of PVH"),
            wish("PVH", why="QEMU boots vmlinux by its PVH note, without a boot loader or decompression"),
        )

    @property
    def cmdline(self) -> tuple[str, ...]:
        """A restart is a triple fault; and nothing waits for timer interrupts.

        No board has the keyboard controller that Linux would otherwise try for some seconds. The
        check whether the timer interrupt arrives waits for ten of them.
        """
        return ("reboot=t", "no_timer_check")


MICROVM = Board(name="microvm", bus=MmioBus())
Q35 = Board(name="q35", bus=PciBus())
