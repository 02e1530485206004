# SPDX-License-Identifier: GPL-2.0-only
"""Memory by stages: a debugger of a guest whose every stop and counter is written down here."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.measure.conftest import SYMBOLS, TEXT
from unilinux.measure.boot.kernel import Kernel, read_kernel
from unilinux.measure.memory.occupancy import Occupancy
from unilinux.vm.gdbstub import MachineGoneError, Registers, Stop, UnreadableMemoryError

INIT, MAIN, RETURN = 0x400412, 0x40108F, TEXT + 0x210
MEMBLOCK, TOTALRAM, FREE = TEXT + 0x5000, TEXT + 0x6000, TEXT + 0x7000
STACK = 0x7000
TOTAL = 1000 * 4096


@dataclass(frozen=True)
class Moment:
    """The guest executes the instruction at ``at``; the counters are as told."""

    at: int
    reserved: int = 0
    free: int | None = None
    rsi: int = 0


@dataclass
class Guest:
    """Stops where a breakpoint is; hangs up behind the last moment, or hangs."""

    moments: list[Moment]
    hangs: bool = False
    breakpoints: set[int] = field(default_factory=set)
    now: Moment = field(default_factory=lambda: Moment(0))

    def __post_init__(self) -> None:
        self.coming: Iterator[Moment] = iter(self.moments)

    def set_breakpoint(self, address: int) -> None:
        self.breakpoints.add(address)

    def clear_breakpoint(self, address: int) -> None:
        self.breakpoints.remove(address)

    def resume(self) -> None:
        pass

    def wait(self, timeout_s: float) -> Stop | None:
        for moment in self.coming:
            self.now = moment
            if moment.at in self.breakpoints:
                return Stop(5, 1)
        if self.hangs:
            return None
        raise MachineGoneError("gone")

    def registers(self) -> Registers:
        values = dict.fromkeys(Registers.__slots__, 0)
        return Registers(**{**values, "rip": self.now.at, "rsi": self.now.rsi, "rsp": STACK})

    def read(self, address: int, size: int) -> bytes:
        words = {
            STACK: RETURN,
            MEMBLOCK + 32: TOTAL,
            MEMBLOCK + 72: self.now.reserved,
            TOTALRAM: 0 if self.now.free is None else 900,
            FREE: self.now.free or 0,
        }
        if address not in words:
            raise UnreadableMemoryError(f"{address:#x}")
        return struct.pack("<Q", words[address])


BOOT = [
    Moment(SYMBOLS["start_kernel"][0], reserved=0),
    Moment(SYMBOLS["third_init"][0]),  # called directly before initcalls: not its turn
    Moment(SYMBOLS["do_one_initcall"][0], free=900),
    Moment(SYMBOLS["first_init"][0], free=900),
    Moment(RETURN, free=890),
    Moment(SYMBOLS["second_init"][0], free=880),
    Moment(RETURN, free=875),
    Moment(SYMBOLS["third_init"][0], free=870),
    Moment(RETURN, free=860),
    Moment(SYMBOLS["__x64_sys_listen"][0], free=1),  # before PID 1: not the application's
    Moment(SYMBOLS["start_thread"][0], free=850, rsi=INIT),
    Moment(INIT, free=845),
    Moment(SYMBOLS["start_thread"][0], free=840, rsi=MAIN),
    Moment(MAIN, free=835),
    Moment(SYMBOLS["__x64_sys_listen"][0], free=800),
    Moment(SYMBOLS["unilinux_init_exit"][0], free=790),
]


@pytest.fixture
def kernel(kernel_files: tuple[Path, Path]) -> Kernel:
    found = read_kernel(*kernel_files)
    more = {"memblock": MEMBLOCK, "_totalram_pages": TOTALRAM, "vm_zone_stat": FREE, "_end": TEXT + 0x10000}
    return replace(found, symbols={**found.symbols, **more})


def follow(kernel: Kernel, guest: Guest, last: str = "exit") -> dict[str, int]:
    return dict(Occupancy(kernel, cast(Any, guest)).follow(last=last, timeout_s=1))


def test_each_stage_has_the_memory_in_use_when_it_is_over(kernel: Kernel) -> None:
    pages = {name: count // 4096 for name, count in follow(kernel, Guest(BOOT)).items()}
    assert pages == {
        "firmware": 16,
        "entry": 16,
        "core": 100,
        "initcalls.early": 110,
        "basics": 120,
        "initcalls.pure": 130,
        "initcalls.device": 140,
        "pid1": 155,
        "main": 165,
        "ready": 200,
        "exit": 210,
    }


def test_before_the_page_allocator_it_is_what_memblock_has_reserved(kernel: Kernel) -> None:
    assert follow(kernel, Guest([replace(BOOT[0], reserved=0x20000)]))["entry"] == 0x20000


def test_it_ends_with_the_last_stage_that_is_asked_for(kernel: Kernel) -> None:
    guest = Guest(BOOT)
    assert "ready" in follow(kernel, guest, last="ready")
    assert next(guest.coming).at == SYMBOLS["unilinux_init_exit"][0]


@pytest.mark.parametrize("hangs", [False, True])
def test_a_boot_that_does_not_go_on_has_the_stages_that_it_passed(kernel: Kernel, hangs: bool) -> None:
    assert set(follow(kernel, Guest(BOOT[:4], hangs=hangs))) == {"firmware", "entry", "core"}


def test_breakpoints_are_taken_away_where_they_have_done_their_work(kernel: Kernel) -> None:
    guest = Guest(BOOT)
    follow(kernel, guest)
    assert guest.breakpoints == {SYMBOLS["start_thread"][0]}


def test_a_kernel_without_symbols_tells_nothing(kernel: Kernel) -> None:
    assert follow(Kernel(), Guest(BOOT)) == {}
    without = {name: address for name, address in kernel.symbols.items() if name != "vm_zone_stat"}
    assert set(follow(replace(kernel, symbols=without), Guest(BOOT))) == {"firmware", "entry"}
