"""Boards: the machine types of QEMU, and the bus that virtio devices sit on there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.kconfig.wish import Wish
from unilinux.machine.block import Block, wish

# No device, file or window that isn't asked for; a restart of the guest ends QEMU.
_BARE = ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")

# A restart is a triple fault: neither board has the keyboard controller that Linux would
# otherwise try for some seconds.
_RESTART = ("reboot=t",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A machine type: its own block, and its bus for virtio devices.

    ``bus`` is only part of a machine that has a virtio device. ``suffix`` ends
    the names of QEMU's virtio devices for that bus, ``properties`` all of them have.
    """

    block: Callable[[], Block]
    bus: Callable[[], Block]
    suffix: str
    properties: tuple[str, ...] = ()

    def device(self, kind: str, **properties: str) -> tuple[str, ...]:
        """QEMU arguments for a virtio device: ``device("net", netdev="net0")``."""
        own = (f"{key}={value}" for key, value in properties.items())
        return ("-device", ",".join((f"virtio-{kind}-{self.suffix}", *own, *self.properties)))


def board(name: str) -> Board:
    """The board of that name.

    :raise UsageError: there is none.
    """
    if name not in BOARDS:
        raise UsageError(unknown("machine", name, BOARDS))
    return BOARDS[name]


def _microvm() -> Block:
    # Without ACPI QEMU names the virtio-mmio devices on the kernel's command line.
    # PIC, PIT and RTC are "auto", that is, off under KVM, unless they are asked for:
    # without the RTC Linux waits about 1 s for the CMOS clock, and without the PIT
    # and a calibrated local APIC no sleeper ever wakes.
    properties = "acpi=off,pic=on,pit=on,rtc=on,pcie=off,usb=off,x-option-roms=off,isa-serial=on"
    return Block(
        name="microvm",
        qemu=("-M", f"microvm,{properties}", *_BARE),
        wishes=_pvh_wishes(),
        cmdline=(*_RESTART, *_TIMER),
    )


def _microvm_bus() -> Block:
    return Block(
        name="virtio-mmio",
        qemu=("-global", "virtio-mmio.force-legacy=off"),
        wishes=(
            wish("VIRTIO_MENU", why="virtio drivers"),
            wish("VIRTIO_MMIO", why="microvm has its virtio devices on memory-mapped transports"),
            wish("VIRTIO_MMIO_CMDLINE_DEVICES", why="QEMU names them on the kernel's command line"),
        ),
    )


def _q35() -> Block:
    properties = "acpi=off,sata=off,smbus=off,usb=off,vmport=off,i8042=off,hpet=off,smm=off"
    return Block(
        name="q35",
        qemu=("-M", f"q35,{properties}", *_BARE),
        wishes=_pvh_wishes(),
        cmdline=(*_RESTART, *_TIMER),
    )


def _q35_bus() -> Block:
    return Block(
        name="virtio-pci",
        wishes=(
            wish("PCI", why="q35 has its virtio devices on PCI"),
            wish("PCI_MSI", why="without ACPI nobody tells Linux the wiring of PCI interrupts"),
            wish("VIRTIO_MENU", why="virtio drivers"),
            wish("VIRTIO_PCI", why="virtio over PCI"),
        ),
    )


# The check whether the timer interrupt arrives waits for ten of them.
_TIMER = ("no_timer_check",)


def _pvh_wishes() -> tuple[Wish, ...]:
    return (
        # Not panic=-1, which is read too late for a panic for want of memory.
        wish("PANIC_TIMEOUT", "-1", why="a panic restarts at once, which ends QEMU"),
        wish("HYPERVISOR_GUEST", why="menu of PVH"),
        wish("PVH", why="QEMU boots vmlinux by its PVH note, without a boot loader or decompression"),
    )


BOARDS: Mapping[str, Board] = MappingProxyType(
    {
        "microvm": Board(block=_microvm, bus=_microvm_bus, suffix="device"),
        # No option ROM: the firmware would run it.
        "q35": Board(block=_q35, bus=_q35_bus, suffix="pci", properties=("disable-legacy=on", "romfile=")),
    }
)
