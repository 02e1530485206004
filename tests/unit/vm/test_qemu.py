# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's words: its arguments for a boot, and what its monitor says."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unilinux.machine.compose import compose
from unilinux.machine.qemu import Wiring
from unilinux.machine.spec import MachineSpec
from unilinux.vm.engine import Boot, InstructionClock, Plugin
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.arguments import boot_arguments
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.qemu.monitor import is_halted, user_network
from unilinux.vm.qemu.pipes import Pipes
from unilinux.vm.qemu.process import complaints_in

TCG = Accelerator(name="tcg", reason="test", tsc_khz=2_500_000)
WIRING = Wiring(qmp="null", console="null", report="null")


class Monitor:
    """Answers as QEMU's monitor for people does."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[object] = []

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        assert command == "human-monitor-command"
        self.asked.append((arguments or {})["command-line"])
        return self.text


def words(boot: Boot, accelerator: Accelerator = TCG, *, launched_us: int | None = None) -> str:
    return " ".join(boot_arguments(boot, accelerator, WIRING, launched_us=launched_us))


def test_a_plain_boot_is_told_what_fits_the_accelerator(boot: Boot) -> None:
    said = words(boot)
    assert said.startswith("-accel tcg,thread=single -cpu max,-erms -")
    assert "nolapic_timer tsc_early_khz=2500000 tsc=reliable" in said
    assert not {"-icount", "-plugin", "-gdb", "-initrd"} & set(said.split())


def test_a_kernel_of_others_is_told_nothing(boot: Boot) -> None:
    assert "nolapic_timer" not in words(replace(boot, advised=False))


@pytest.mark.parametrize(("follows_host", "sleep"), [(False, "off"), (True, "on")])
def test_an_instruction_clock_fixes_everything_that_differs(boot: Boot, follows_host: bool, sleep: str) -> None:
    said = words(replace(boot, clock=InstructionClock(follows_host=follows_host)))
    assert f"-icount shift=0,sleep={sleep} -rtc base=2025-01-01T00:00:00,clock=vm -seed 1" in said
    assert "tsc_early_khz=1000000" in said, "an instruction takes a nanosecond"


@pytest.mark.parametrize("asked", [{"clock": InstructionClock()}, {"plugin": Plugin(path=Path("/p.so"))}])
def test_counting_takes_one_thread(boot: Boot, asked: dict[str, Any]) -> None:
    two = replace(boot, machine=compose(MachineSpec(cpus=2)))
    assert "tcg,thread=multi" in words(two)
    assert "tcg,thread=single" in words(replace(two, **asked))


def test_a_plain_boot_is_told_when_it_is_launched(boot: Boot) -> None:
    assert " unilinux_launched_us=1764251328123456 " in f"{words(boot, launched_us=1764251328123456)} "
    assert "unilinux_launched_us" not in words(boot)


@pytest.mark.parametrize(
    ("changes", "accelerator"),
    [
        ({"clock": InstructionClock()}, TCG),
        ({"advised": False}, TCG),
        ({}, Accelerator(name="kvm", reason="test")),
    ],
    ids=["fixed date", "kernel of others", "exact clock of KVM"],
)
def test_others_are_told_no_time(boot: Boot, changes: dict[str, Any], accelerator: Accelerator) -> None:
    one = replace(boot, **changes)
    assert words(one, accelerator, launched_us=1764251328123456) == words(one, accelerator)


def test_commas_in_paths_are_doubled(boot: Boot) -> None:
    plugin = Plugin(path=Path("/a,b/counter.so"), options={"plan": "/p", "out": "/o"})
    said = words(replace(boot, plugin=plugin, debugger=Path("/c,d")))
    assert "-plugin /a,,b/counter.so,plan=/p,out=/o -gdb unix:/c,,d" in said


def test_kvm_counts_nothing(boot: Boot) -> None:
    abilities = NativeQemu(Accelerator(name="kvm", reason="test")).abilities
    assert (abilities.instruction_clock, abilities.plugins, abilities.debugger) == (False, False, True)
    assert NativeQemu(TCG).abilities.plugins


def test_the_listing_of_the_user_network_tells_forwards_and_connections() -> None:
    monitor = Monitor(
        "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[ESTABLISHED] 16       127.0.0.1 36277       10.0.2.15    80     0     0\r\n"
        "  TCP[SYN_SENT]    17       127.0.0.1 36278       10.0.2.15   443     0     0\r\n"
        "  TCP[HOST_FORWARD]  3       127.0.0.1 36277       10.0.2.15    80     0     0\r\n"
        "  TCP[HOST_FORWARD]  4       127.0.0.1 36278       10.0.2.15   443     0     0\r\n"
    )
    found = user_network(monitor)
    assert monitor.asked == ["info usernet"]
    assert found.forwards == {80: 36277, 443: 36278}
    assert found.accepted == {80}


@pytest.mark.parametrize(("text", "halted"), [("RIP=1 HLT=1\r\n", True), ("RIP=1 HLT=0\r\n", False)])
def test_a_halted_cpu_is_idle(text: str, halted: bool) -> None:
    assert is_halted(Monitor(text)) is halted


def test_pipes_that_are_closed_twice_close_nobody_elses_descriptor() -> None:
    pipes = Pipes()
    pipes.close_far_ends()
    pipes.close()
    others = os.pipe() + os.pipe()  # they get the numbers that have become free
    try:
        pipes.close_far_ends()
        pipes.close()
        pipes.send(b"x")
        for descriptor in others:
            os.fstat(descriptor)
    finally:
        for descriptor in others:
            os.close(descriptor)


def test_the_registers_that_qemu_prints_hide_no_complaint() -> None:
    registers = "RAX=0000000000000000 RBX=0000000000000000\n" + "R8 =0000000000000000\n" * 30 + "Code=00 00\n"
    text = f"KVM internal error. Suberror: 1\nextra data[0]: 0x1\n\nemulation failure\n{registers}"
    assert complaints_in(text) == ("KVM internal error. Suberror: 1", "extra data[0]: 0x1", "emulation failure")
