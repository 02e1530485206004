# SPDX-License-Identifier: GPL-2.0-only
"""Exits as the plugin and QEMU's log tell of them, and their stages."""

from __future__ import annotations

import pytest

from unilinux.core.errors import VmError
from unilinux.measure.boot.exits import AFTER, Exit, by_cause, by_stage, device_name, read_exits

ACCESS = "memory_region_ops_{way} cpu {cpu} mr 0x5632c8b51000 addr {address:#x} value 0x20 size 4 name '{name}'"


def access(name: str, address: int, way: str = "write", cpu: int = 0) -> str:
    return ACCESS.format(way=way, cpu=cpu, address=address, name=name)


def test_devices_are_named_for_ports_and_memory() -> None:
    lines = [
        "exit 36 out",
        access("io", 0xCF8),
        "exit 39 in",
        access("serial", 0x3F8, "read"),
        "exit 50 cpuid",
        access("ioapic", 0xFEC00000),
        "exit 60 write",
        access("apic-msi", 0xFEE00350, "read"),
        "exit 61 read",
        "exit 70 hlt",
    ]
    assert read_exits("\n".join(lines)) == (
        Exit(36, "port 0xcf8"),
        Exit(39, "serial port"),
        Exit(50, "CPUID"),
        Exit(60, "I/O APIC"),
        Exit(61, "local APIC"),
        Exit(70, "HLT"),
    )


def test_a_device_that_sends_an_interrupt_is_no_exit() -> None:
    lines = [
        "exit 5 out",
        access("serial", 0x3F9),
        access("apic-msi", 0xFEE00000),  # the I/O APIC's message
        "exit 9 cpuid",
    ]
    assert [one.cause for one in read_exits("\n".join(lines))] == ["serial port", "CPUID"]


def test_an_access_that_is_split_is_one_exit() -> None:
    lines = ["exit 5 out", access("fwcfg", 0x510), access("fwcfg", 0x511), "exit 6 cpuid"]
    assert read_exits("\n".join(lines)) == (Exit(5, "fw_cfg"), Exit(6, "CPUID"))


def test_an_instruction_that_faulted_is_no_exit() -> None:
    lines = ["exit 5 in", access("ioapic", 0xFEC00010, "read"), "exit 8 read", "exit 9 in", "exit 10 cpuid"]
    assert read_exits("\n".join(lines)) == (Exit(8, "I/O APIC"), Exit(10, "CPUID"))


def test_other_lines_of_the_log_are_passed_over() -> None:
    assert read_exits("Trying to execute code outside RAM\nexit 3 wrmsr\n") == (Exit(3, "WRMSR"),)
    assert read_exits("") == ()
    with pytest.raises(VmError, match="malformed: 'exit 3'"):
        read_exits("exit 3\n")


def test_what_no_device_answers_is_named_by_its_address() -> None:
    assert device_name("io", 0x80) == "port 0x80"
    assert device_name("", 0xFEB00000) == "address 0xfeb00000"
    assert device_name("fwcfg.dma", 0x514) == "fw_cfg"
    assert device_name("virtio-mmio", 0xFEB00E00) == "virtio-mmio"


def test_a_stage_has_the_exits_before_its_end() -> None:
    exits = (Exit(0, "A"), Exit(9, "B"), Exit(10, "A"), Exit(19, "A"), Exit(40, "B"), Exit(41, "B"))
    found = by_stage(exits, [("firmware", 10), ("entry", 20), ("idle", 30), ("exit", 40)])
    assert found == {"firmware": {"A": 1, "B": 1}, "entry": {"A": 2}, AFTER: {"B": 2}}
    assert list(by_cause(found).items()) == [("A", 3), ("B", 3)]
    assert by_cause(found, without=[AFTER]) == {"A": 3, "B": 1}
