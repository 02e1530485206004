# SPDX-License-Identifier: GPL-2.0-only
"""Memory in use at each stage of a boot, read from the guest by a debugger.

QEMU stops the guest at the addresses where stages end; its clocks stand still
then, and nothing is executed to take the numbers: they are the kernel's own
counters, read from its memory. So a boot that is looked at executes the same
instructions as any other.

* Until the page allocator is up, in use is what memblock has reserved, but at
  least the kernel's image.
* From then on it is all of the memory that memblock knew of, less the free pages
  (``vm_zone_stat[NR_FREE_PAGES]``). Pages that wait in per-CPU lists, and caches,
  are in use.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Protocol

from unilinux.measure.boot.boots import debugged
from unilinux.measure.boot.kernel import LEVELS, Initcall, Kernel
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.gdbstub import MachineGoneError, Registers, Stop, UnreadableMemoryError

_PAGE = 4096
_WORD = struct.Struct("<Q")
# include/linux/memblock.h of 6.1 to 6.12: bool bottom_up; phys_addr_t current_limit; then two
# struct memblock_type { unsigned long cnt, max; phys_addr_t total_size; void *regions; char *name; }
_MEMORY_TOTAL = 16 + 16
_RESERVED_TOTAL = 16 + 40 + 16


class Debugger(Protocol):
    """The part of :class:`unilinux.vm.gdbstub.GdbStub` that is needed here."""

    def set_breakpoint(self, address: int) -> None:
        """Stop before the instruction at a virtual address."""

    def clear_breakpoint(self, address: int) -> None:
        """Remove a breakpoint."""

    def resume(self) -> None:
        """Let the guest run."""

    def wait(self, timeout_s: float) -> Stop | None:
        """The next stop, or None."""

    def registers(self) -> Registers:
        """The registers of the CPU that stopped."""

    def read(self, address: int, size: int) -> bytes:
        """Memory at a virtual address."""


@dataclass(slots=True)
class Occupancy:
    """Follows one boot. ``bytes_at`` fills with the memory in use at the end of each stage that is passed."""

    kernel: Kernel
    debugger: Debugger
    bytes_at: dict[str, int] = field(default_factory=dict)
    _then: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    _total: int = 0
    _programs: int = 0

    def follow(self, *, last: str, timeout_s: float) -> Mapping[str, int]:
        """Let the guest run from reset until the stage ``last`` is over, it ends, or nothing more happens.

        ``timeout_s`` is for each stage. A kernel without symbols passes none.
        """
        image = self._image_bytes()
        if image:
            self.bytes_at["firmware"] = image
        self._at("start_kernel", partial(self._passed, "entry"))
        self._at("do_one_initcall", self._first_initcall)
        self._at("start_thread", self._program_started, again=True)
        try:
            while last not in self.bytes_at and self._next_stop(timeout_s):
                pass
        except MachineGoneError:
            pass
        return self.bytes_at

    def _next_stop(self, timeout_s: float) -> bool:
        self.debugger.resume()
        if self.debugger.wait(timeout_s) is None:
            return False
        for handler in tuple(self._then.get(self.debugger.registers().rip, ())):
            handler()
        return True

    def _at(self, symbol: str, handler: Callable[[], None], *, again: bool = False) -> None:
        address = self.kernel.symbols.get(symbol)
        if address is not None:
            self._when(address, handler, again=again)

    def _when(self, address: int, handler: Callable[[], None], *, again: bool = False) -> None:
        """Call the handler when the guest comes to an address: the first time, or each time."""

        def once() -> None:
            handlers = self._then[address]
            handlers.remove(once)
            if not handlers:
                self.debugger.clear_breakpoint(address)
                del self._then[address]
            handler()

        if address not in self._then:
            self._then[address] = []
            self.debugger.set_breakpoint(address)
        self._then[address].append(handler if again else once)

    def _passed(self, stage: str) -> None:
        in_use = self._in_use()
        if in_use is not None:
            self.bytes_at.setdefault(stage, in_use)

    def _first_initcall(self) -> None:
        """Watch initcalls from here on: some of them are also called directly before."""
        levels = _levels(self.kernel.initcalls)
        if not levels:
            return
        self._passed("core")
        for (_, before), (name, calls) in pairwise([("", ()), *levels]):
            if before:
                self._when(calls[0].address, partial(self._passed, _ended_by(before[0].level, name)))
        for name, calls in levels:
            if name in ("early", levels[-1][0]):
                self._when(calls[-1].address, partial(self._when_returned, f"initcalls.{name}"))

    def _when_returned(self, stage: str) -> None:
        """At a function's first instruction its return address is on top of the stack."""
        (address,) = _WORD.unpack(self.debugger.read(self.debugger.registers().rsp, _WORD.size))
        self._when(address, partial(self._passed, stage))

    def _program_started(self) -> None:
        """``start_thread(regs, new_ip, new_sp)``: init first, then the application."""
        self._programs += 1
        entry = self.debugger.registers().rsi
        if self._programs == 1:
            self._when(entry, partial(self._passed, "pid1"))
            for symbol in ("__sys_listen", "__x64_sys_listen", "__sys_listen_socket"):
                self._at(symbol, partial(self._passed, "ready"))
            # As in stages: without our patch, the first process that exits is taken.
            patched = "unilinux_init_exit" in self.kernel.symbols
            self._at("unilinux_init_exit" if patched else "__x64_sys_exit_group", partial(self._passed, "exit"))
        elif self._programs == 2:
            self._when(entry, partial(self._passed, "main"))

    def _in_use(self) -> int | None:
        pages = self._word("_totalram_pages")
        if not pages:
            reserved = self._word("memblock", _RESERVED_TOTAL)
            return max(reserved or 0, self._image_bytes()) or None
        # The table of memblock is freed with the rest of init memory, so its total is read before that.
        if not self._total:
            self._total = self._word("memblock", _MEMORY_TOTAL) or 0
        free = self._word("vm_zone_stat")
        return self._total - free * _PAGE if self._total and free is not None else None

    def _word(self, symbol: str, offset: int = 0) -> int | None:
        address = self.kernel.symbols.get(symbol)
        if address is None:
            return None
        try:
            (value,) = _WORD.unpack(self.debugger.read(address + offset, _WORD.size))
        except UnreadableMemoryError:  # a kernel that unmaps itself from user code
            return None
        return int(value)

    def _image_bytes(self) -> int:
        symbols = self.kernel.symbols
        return symbols["_end"] - symbols["_text"] if {"_end", "_text"} <= symbols.keys() else 0


def occupancy(boot: Boot, engine: Engine, kernel: Kernel, *, last: str, timeout_s: float) -> Mapping[str, int]:
    """Boot once, and see how much memory is in use at the end of each stage, up to ``last``.

    :raise VmError: the machine could not be started or driven.
    """
    with debugged(boot, engine) as (_, stub):
        return Occupancy(kernel, stub).follow(last=last, timeout_s=timeout_s)


def _levels(calls: Sequence[Initcall]) -> list[tuple[str, tuple[Initcall, ...]]]:
    """The initcalls of each level that has any, in order."""
    found = [(level, tuple(call for call in calls if call.level == level)) for level in LEVELS.values()]
    return [(level, of_level) for level, of_level in found if of_level]


def _ended_by(before: str, level: str) -> str:
    """The stage that is over when a level's first initcall begins: see :mod:`unilinux.measure.boot.stages`."""
    return "basics" if before == "early" and level != "early" else f"initcalls.{before}"
