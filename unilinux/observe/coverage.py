# SPDX-License-Identifier: GPL-2.0-only
"""Which functions of the kernel ran, and when: only while the machine started or ended, or in between."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.measure.boot.counter import CounterPlan, Counts, Watch
from unilinux.measure.boot.kernel import KERNEL_MAP, Kernel
from unilinux.measure.boot.stages import USER
from unilinux.measure.size.size import UNKNOWN, Symbol, homes_of_symbols, read_symbols, with_homes

IDLE, BOOT, USED = "idle", "boot", "used"

DISPATCH = "do_syscall_64"
"""The function of the kernel that every system call by trap passes."""

_EXIT = "unilinux_init_exit"  # what our patch calls when PID 1 ends
_TEXT = frozenset("tTwW")


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """A function of the kernel and the object file that it comes from; ``size`` is in bytes."""

    address: int
    size: int
    name: str
    home: str = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectUse:
    """What ran of an object file: names of its functions.

    ``used`` ran from PID 1's first instruction to its exit, ``boot`` only before or
    after that, ``idle`` never. A function that the compiler inlined is a part of its callers.
    """

    path: str
    used: tuple[str, ...] = ()
    boot: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain JSON data, for :meth:`from_document`."""
        return {"path": self.path, USED: list(self.used), BOOT: list(self.boot), IDLE: list(self.idle)}

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> ObjectUse:
        """The value that :meth:`document` was made from."""
        return cls(path=data["path"], used=tuple(data[USED]), boot=tuple(data[BOOT]), idle=tuple(data[IDLE]))


def read_functions(vmlinux: Path, archive: Path | None) -> tuple[KernelFunction, ...]:
    """The functions of a vmlinux with symbols, by address; those at one address count as one.

    ``archive`` is kbuild's ``vmlinux.a``, without which no function has a home.

    :raise BuildError: vmlinux has no symbols.
    """
    homes = homes_of_symbols(archive) if archive is not None else {}
    found: dict[int, KernelFunction] = {}
    for symbol, home in with_homes((one for one in read_symbols(vmlinux) if _is_function(one)), homes):
        if symbol.address not in found or found[symbol.address].home == UNKNOWN:
            found[symbol.address] = KernelFunction(symbol.address, symbol.size, symbol.name, home)
    return tuple(found.values())


def _is_function(symbol: Symbol) -> bool:
    return symbol.kind in _TEXT and symbol.address >= KERNEL_MAP and symbol.size > 0


def coverage_plan(kernel: Kernel, functions: Iterable[KernelFunction]) -> CounterPlan:
    """What the plugin has to count: instructions by function, and the profiles when PID 1 begins and when it exits."""
    return CounterPlan(
        watches=(
            Watch(name="program", addresses=kernel.addresses("start_thread")),
            Watch(name="pid1", ranges=(USER,), after=("program", 1), snapshot=True),
            Watch(name="exit", addresses=kernel.addresses(_EXIT), after=("pid1", 1), snapshot=True),
            Watch(name="calls", addresses=kernel.addresses(DISPATCH)),
        ),
        regions=tuple(sorted({edge for one in functions for edge in (one.address, one.address + one.size)})),
    )


def covered(counts: Counts, plan: CounterPlan, functions: Iterable[KernelFunction]) -> tuple[ObjectUse, ...]:
    """What ran, by object file; those whose home isn't known together, at :data:`UNKNOWN`."""
    before = counts.snapshots["pid1"]
    until = counts.snapshots["exit"] if counts.hits["exit"] else counts.regions
    names: dict[str, dict[str, list[str]]] = {}
    for function in functions:
        # Region 0 is what lies below the first.
        region = bisect.bisect_right(plan.regions, function.address)
        in_use = until.get(region, 0) - before.get(region, 0)
        state = USED if in_use else BOOT if counts.regions.get(region, 0) else IDLE
        names.setdefault(function.home, {USED: [], BOOT: [], IDLE: []})[state].append(function.name)
    return tuple(
        ObjectUse(path=path, used=tuple(states[USED]), boot=tuple(states[BOOT]), idle=tuple(states[IDLE]))
        for path, states in sorted(names.items())
    )
