# SPDX-License-Identifier: GPL-2.0-only
"""A machine in QEMU's words: the one place that knows how QEMU's options are written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType

from unilinux.core.errors import UsageError
from unilinux.machine.board import Board, Bus, MmioBus, PciBus
from unilinux.machine.compose import Machine
from unilinux.machine.console import ReportPort, SerialPort
from unilinux.machine.network import USER_NETWORK, NetworkCard
from unilinux.machine.part import Part
from unilinux.machine.processor import Memory, Processors
from unilinux.machine.spec import Disk, RootDisk, Share, Volume
from unilinux.machine.storage import Disks, RandomNumbers, Root, Shares, Volumes

# Names of the character devices.
QMP = "qmp"
CONSOLE = "console"
REPORT = "report"

HOST_ADDRESS = "127.0.0.1"
"""Where forwarded ports of the host are listened on: nobody else reaches them."""

COMMAND_LINE_BYTES = 2047 - 512
"""COMMAND_LINE_SIZE of Linux on x86, but for its last byte and for what QEMU adds for the devices of a microvm."""

# No device, file or window that isn't asked for; a restart of the guest ends QEMU.
_BARE = ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")

_BOARDS: Mapping[str, str] = MappingProxyType(
    {
        # Without ACPI QEMU names the virtio-mmio devices on the kernel's command line.
        # PIC, PIT and RTC are "auto", that is, off under KVM, unless they are asked for:
        # without the RTC Linux waits about 1 s for the CMOS clock, and without the PIT
        # and a calibrated local APIC no sleeper ever wakes.
        "microvm": "acpi=off,pic=on,pit=on,rtc=on,pcie=off,usb=off,x-option-roms=off,isa-serial=on",
        "q35": "acpi=off,sata=off,smbus=off,usb=off,vmport=off,i8042=off,hpet=off,smm=off",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where the machine's character devices lead, as QEMU writes it after ``-chardev``.

    For example ``socket,fd=5``: what an engine hands to QEMU is its own business.
    """

    qmp: str
    console: str
    report: str

    def arguments(self) -> tuple[str, ...]:
        """The QEMU arguments."""
        return (
            *_chardev(QMP, self.qmp), "-mon", f"chardev={QMP},mode=control",
            *_chardev(CONSOLE, self.console),
            *_chardev(REPORT, self.report),
        )  # fmt: skip


def qemu_arguments(
    machine: Machine, *, kernel: Path, wiring: Wiring, cmdline: Sequence[str] = (), initrd: Path | None = None
) -> tuple[str, ...]:
    """Arguments of QEMU, without the program's name, the accelerator and the CPU model.

    ``cmdline`` follows the machine's own words on the kernel's command line. ``initrd``
    is for kernels that don't have their initramfs inside.

    :raise UsageError: the command line is longer than the kernel reads.
    """
    words = " ".join((*machine.cmdline, *cmdline))
    _require_short(words)
    beside = ("-initrd", str(initrd)) if initrd else ()
    return (*machine_arguments(machine), *wiring.arguments(), "-kernel", str(kernel), *beside, "-append", words)


def _require_short(words: str) -> None:
    size = len(os.fsencode(words))
    if size > COMMAND_LINE_BYTES:
        raise UsageError(
            f"the kernel's command line would have {size:,} bytes, of which the kernel reads {COMMAND_LINE_BYTES:,}",
            hint="pass less by --env, -- and --cmdline: a longer text goes into a file of the image, or into app.toml",
        )


def machine_arguments(machine: Machine) -> tuple[str, ...]:
    """The arguments for the machine itself: its board, and all that it has."""
    return tuple(word for part in machine.parts for word in _part(part, machine.target.board.bus))


def _part(part: Part, bus: Bus) -> Iterator[str]:
    match part:
        case Board(name=name):
            yield from ("-M", f"{name},{_BOARDS[name]}", *_BARE)
        case MmioBus():
            yield from ("-global", "virtio-mmio.force-legacy=off")
        case PciBus():
            pass  # the board has it anyway
        case Processors(count=count):
            # Without ACPI Linux learns of CPUs from the MP table, in which q35's firmware names one for each socket.
            yield from ("-smp", f"{count},sockets={count}" if count > 1 else "1")
        case Memory(size_mib=size_mib):
            yield from ("-m", f"{size_mib}")
        case SerialPort():
            yield from ("-serial", f"chardev:{CONSOLE}")
        case ReportPort(report_port=report_port, exit_port=exit_port):
            yield from ("-device", f"isa-debugcon,iobase={report_port:#x},chardev={REPORT}")
            yield from ("-device", f"isa-debug-exit,iobase={exit_port:#x},iosize=4")
        case NetworkCard():
            yield from _network(part, bus)
        case RandomNumbers():
            yield from ("-object", "rng-builtin,id=rng0", *_virtio(bus, "rng", rng="rng0"))
        case Root() | Disks() | Volumes():
            yield from _disks(part, bus)
        case Shares(shares=shares):
            yield from (word for share in shares for word in _share(bus, share))
        case _:
            raise TypeError(f"QEMU has no words for {part!r}")


def _network(card: NetworkCard, bus: Bus) -> Iterator[str]:
    """QEMU's user mode network, which needs no privilege on the host."""
    own = card.addresses
    net = IPv4Network((own.guest, own.netmask), strict=False)
    # That the guest has the first address that QEMU would lease is how it finds it for forwards.
    places = (
        []
        if own == USER_NETWORK
        else [f"net={net}", f"host={own.gateway}", f"dns={own.name_server}", f"dhcpstart={own.guest}"]
    )
    rules = [f"hostfwd=tcp:{HOST_ADDRESS}:{forward.host}-:{forward.guest}" for forward in card.forwards]
    yield from ("-netdev", ",".join(["user", "id=net0", "ipv6=off", "restrict=off", *places, *rules]))
    yield from _virtio(bus, "net", netdev="net0")


def _disks(part: Root | Disks | Volumes, bus: Bus) -> Iterator[str]:
    match part:
        case Root(disk=root):
            yield from _root_disk(bus, root)
        case Disks(images=images):
            for number, disk in enumerate(images):
                yield from _disk(bus, number, disk)
        case Volumes(volumes=volumes):
            for volume in volumes:
                yield from _volume(bus, volume)


def _root_disk(bus: Bus, root: RootDisk) -> Iterator[str]:
    description = {
        "driver": "raw",
        "node-name": "root",
        "read-only": True,
        "file": {"driver": "file", "filename": str(root.file)},
    }
    yield from ("-blockdev", json.dumps(description))
    yield from _virtio(bus, "blk", drive="root")


def _disk(bus: Bus, number: int, disk: Disk) -> Iterator[str]:
    node = f"disk{number}"
    # As JSON: a path may contain commas, which separate QEMU's own options.
    description = {
        "driver": "raw",
        "node-name": node,
        "read-only": disk.read_only,
        "file": {"driver": "file", "filename": str(disk.path)},
    }
    yield from ("-blockdev", json.dumps(description))
    yield from _virtio(bus, "blk", drive=node)


def _volume(bus: Bus, volume: Volume) -> Iterator[str]:
    node = f"volume-{volume.name}"
    description = {
        "driver": volume.format,
        "node-name": node,
        # What the guest has flushed is on the host's disk: a machine that is killed loses nothing of it.
        "cache": {"direct": False, "no-flush": False},
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(volume.file), "locking": "auto"},
    }
    yield from ("-blockdev", json.dumps(description))
    yield from _virtio(bus, "blk", drive=node, serial=volume.name)


def _share(bus: Bus, share: Share) -> Iterator[str]:
    # What the guest makes belongs to the user who runs QEMU; the owners and modes that it gives, and its links and
    # devices, are in extended attributes, which takes no privilege. A read-only one shows the host's own.
    rules = (
        "security_model=none,readonly=on" if share.read_only else "security_model=mapped-xattr,fmode=0644,dmode=0755"
    )
    path = str(share.folder).replace(",", ",,")
    yield from ("-fsdev", f"local,id={share.name},multidevs=remap,{rules},path={path}")
    yield from _virtio(bus, "9p", fsdev=share.name, mount_tag=share.name)


def _virtio(bus: Bus, kind: str, **properties: str) -> tuple[str, str]:
    """Arguments for a virtio device: ``_virtio(bus, "net", netdev="net0")``."""
    own = [f"{key}={value}" for key, value in properties.items()]
    match bus:
        case PciBus():
            # No option ROM: the firmware would run it.
            device = [f"virtio-{kind}-pci", *own, "disable-legacy=on", "romfile="]
        case _:
            device = [f"virtio-{kind}-device", *own]
    return ("-device", ",".join(device))


def _chardev(name: str, backend: str) -> tuple[str, str]:
    kind, _, options = backend.partition(",")
    return ("-chardev", ",".join(filter(None, (kind, f"id={name}", options))))
