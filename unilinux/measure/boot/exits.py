# SPDX-License-Identifier: GPL-2.0-only
"""What would make a guest exit to its hypervisor on hardware, counted under TCG.

An exit costs hardware about as much as a thousand instructions. Under TCG there are none, but what
causes them can be counted exactly: each access to a device, by port or by memory, and each
instruction that a hypervisor has to carry out itself. The plugin tells of each in QEMU's log, which
also has a line with the device for each access.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unilinux.core.errors import VmError

AFTER = "end"
"""The stage of what comes after the last one: the machine is shut down."""

_TOLD = re.compile(r"^exit (?P<stamp>\d+) (?P<kind>\w+)$")
# softmmu/trace-events of QEMU 7.2, system/trace-events of 9.0.
_ACCESS = re.compile(r"memory_region_ops_(?:read|write) cpu \d+ .*addr 0x(?P<address>[0-9a-f]+) .*name '(?P<name>.*)'$")
_PORTS = frozenset({"in", "out"})
_MEMORY = frozenset({"read", "write"})
_HIGHEST_PORT = 0xFFFF

# QEMU's names of regions that belong to one device, or that say little.
_DEVICES: Mapping[str, str] = MappingProxyType(
    {
        "apic-msi": "local APIC",
        "ioapic": "I/O APIC",
        "serial": "serial port",
        "pic": "PIC",
        "elcr": "PIC",
        "pit": "PIT",
        "rtc": "RTC",
        "rtc-index": "RTC",
        "pci-conf-idx": "PCI configuration",
        "pci-conf-data": "PCI configuration",
        "pcie-mmcfg-mmio": "PCI Express configuration",
        "acpi-tmr": "ACPI timer",
        "ioport80": "port 0x80",
        "isa-debugcon": "report port",
    }
)


@dataclass(frozen=True, slots=True)
class Exit:
    """``stamp``: instructions executed before it; ``cause``: a device, or the name of an instruction."""

    stamp: int
    cause: str


def read_exits(text: str) -> tuple[Exit, ...]:
    """The exits of a boot, in order, out of QEMU's log.

    An ``in`` or ``out`` that faulted has no line for a device after it, and is no exit.

    :raise VmError: the log isn't one of the plugin's.
    """
    found: list[Exit] = []
    port: int | None = None  # the stamp of an instruction whose device comes next
    device = ""
    for line in text.splitlines():
        if told := _TOLD.match(line):
            kind, stamp = told["kind"], int(told["stamp"])
            port = stamp if kind in _PORTS else None
            if kind in _MEMORY:
                found.append(Exit(stamp, device or "memory-mapped I/O"))
            elif kind not in _PORTS:
                found.append(Exit(stamp, kind.upper()))
            device = ""
        elif access := _ACCESS.search(line):
            address = int(access["address"], 16)
            if port is not None and address <= _HIGHEST_PORT:
                found.append(Exit(port, device_name(access["name"], address)))
                port = None
            elif address > _HIGHEST_PORT:
                device = device_name(access["name"], address)
        elif line.startswith("exit "):
            raise VmError(f"the log of exits is malformed: {line!r}")
    return tuple(found)


def device_name(region: str, address: int) -> str:
    """A device by the name of its region; what no device answers, by its address.

    >>> device_name("fwcfg.dma", 0x514), device_name("io", 0x80)
    ('fw_cfg', 'port 0x80')
    """
    if region in {"", "io"}:
        return f"port {address:#x}" if address <= _HIGHEST_PORT else f"address {address:#x}"
    if region.startswith("fwcfg"):
        return "fw_cfg"
    return _DEVICES.get(region, region)


def by_stage(exits: Iterable[Exit], ends: Sequence[tuple[str, int]]) -> dict[str, dict[str, int]]:
    """Exits by stage and cause, the most frequent cause first; stages without any are left out.

    ``ends`` are stages in order, each with the instructions executed when it was over.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name, _ in (*ends, (AFTER, 0))}
    left = iter((*ends, (AFTER, None)))
    name, end = next(left)
    for one in sorted(exits, key=lambda exit_: exit_.stamp):
        while end is not None and one.stamp >= end:
            name, end = next(left)
        counts[name][one.cause] += 1
    return {stage: dict(_ordered(causes)) for stage, causes in counts.items() if causes}


def by_cause(stages: Mapping[str, Mapping[str, int]], without: Iterable[str] = ()) -> dict[str, int]:
    """Sums over stages, the most frequent first, without those named."""
    sums: Counter[str] = Counter()
    skipped = frozenset(without)
    for stage, causes in stages.items():
        if stage not in skipped:
            sums.update(causes)
    return dict(_ordered(sums))


def _ordered(causes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(causes.items(), key=lambda entry: (-entry[1], entry[0]))
