# SPDX-License-Identifier: GPL-2.0-only
"""From what ran to the Kconfig symbols that bring it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unilinux.arch.architecture import X86_64
from unilinux.measure.size.size import UNKNOWN
from unilinux.observe.coverage import BOOT, IDLE, USED, KernelFunction, ObjectUse
from unilinux.observe.makefiles import Gates
from unilinux.observe.sources import Providers, Sources
from unilinux.observe.syscalls import SystemCall
from unilinux.observe.trace import CallUse
from unilinux.observe.traced_boot import Trace
from unilinux.observe.usage import SymbolUsage, Unavailable, Usage, call_lines, object_line, status_of

# Where the stubs of system calls that a kernel doesn't have are (COND_SYSCALL).
_ABSENT = "kernel/sys_ni.o"
_PATHS_BELOW = ("open", "openat", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "readlink")


@dataclass(frozen=True)
class Mapper:
    """Maps what was recorded of one kernel: ``symbols`` are those that are on in it."""

    recording: Trace
    functions: tuple[KernelFunction, ...]
    table: Mapping[int, SystemCall]
    sizes: Mapping[str, int]
    symbols: tuple[str, ...]
    gates: Gates
    sources: Sources

    def evidence(self, image: Mapping[str, Any]) -> Usage:
        """What was seen of each symbol."""
        calls_of = self._calls_by_symbol()
        objects_of = self._objects_by_symbol()
        functions_of = self._functions_by_symbol()
        symbols = {
            name: self._symbol(name, calls_of.get(name, []), objects_of.get(name, []), functions_of.get(name, []))
            for name in self.symbols
        }
        return Usage(
            image=image,
            calls=self.recording.calls,
            objects=self.recording.objects,
            sizes={use.path: self.sizes.get(use.path, 0) for use in self.recording.objects},
            symbols=symbols,
            unavailable=tuple(self._in_vain()),
        )

    def _symbol(
        self, name: str, calls: list[CallUse], objects: list[ObjectUse], functions: list[ObjectUse]
    ) -> SymbolUsage:
        uses = [(object_line(use), use) for use in objects]
        uses += [(f"{object_line(use)}, under #ifdef", use) for use in functions]
        uses.sort(key=lambda entry: (-len(entry[1].used), -len(entry[1].boot), entry[0]))
        return SymbolUsage(
            symbol=name,
            status=status_of([*(USED for _ in calls), *(_state(use) for _, use in uses)]),
            calls=call_lines(calls),
            functions=tuple(line for line, _ in uses),
            ran=(
                sum(len(use.used) for _, use in uses),
                sum(len(use.boot) for _, use in uses),
                sum(len(use.idle) for _, use in uses),
            ),
            objects=tuple(use.path for use in objects),
            size=sum(self.sizes.get(use.path, 0) for use in objects),
        )

    def _objects_by_symbol(self) -> dict[str, list[ObjectUse]]:
        found: dict[str, list[ObjectUse]] = {}
        for use in self.recording.objects:
            if use.path != UNKNOWN:
                for symbol in self.gates.of(use.path):
                    found.setdefault(symbol, []).append(use)
        return found

    def _functions_by_symbol(self) -> dict[str, list[ObjectUse]]:
        """Functions under a symbol's ``#ifdef`` in objects that don't need the symbol as a whole."""
        found: dict[str, list[ObjectUse]] = {}
        for use in self.recording.objects:
            if use.path == UNKNOWN:
                continue
            states: dict[str, dict[str, list[str]]] = {}
            for state, names in ((USED, use.used), (BOOT, use.boot), (IDLE, use.idle)):
                for name in names:
                    for symbol in self.sources.function_gates(use.path, name) - self.gates.of(use.path):
                        states.setdefault(symbol, {USED: [], BOOT: [], IDLE: []})[state].append(name)
            for symbol, by_state in states.items():
                lists = {state: tuple(names) for state, names in by_state.items()}
                found.setdefault(symbol, []).append(ObjectUse(path=use.path, **lists))
        return found

    def _calls_by_symbol(self) -> dict[str, list[CallUse]]:
        found: dict[str, list[CallUse]] = {}
        for call in self.recording.calls:
            for symbol in self._symbols_of(call):
                found.setdefault(symbol, []).append(call)
        return found

    def _symbols_of(self, call: CallUse) -> frozenset[str]:
        """The symbols that bring a call, and what its arguments name: a family, a file system, a file of one."""
        entry = self._entry(call)
        home = self._homes.get(entry)
        symbols = frozenset[str]()
        if home is not None and home != _ABSENT:
            symbols |= self.gates.of(home) | self.sources.function_gates(home, entry)
        for path in self._provided(call):
            symbols |= self.gates.of(path)
        return symbols

    def _provided(self, call: CallUse) -> Iterable[str]:
        providers = self._providers
        if call.name in {"socket", "socketpair"}:
            wanted = providers.families.get(call.detail.partition(",")[0])
        elif call.name == "mount":
            wanted = providers.file_systems.get(call.detail.partition(" on ")[0])
        elif call.name in _PATHS_BELOW and call.detail:
            wanted = next((home for place, home in self._mounted if f"{call.detail}/".startswith(f"{place}/")), None)
        else:
            wanted = None
        return () if wanted is None else (wanted,)

    def _in_vain(self) -> Iterable[Unavailable]:
        absent = [
            call
            for call in self.recording.calls
            if "ENOSYS" in call.failures or self._homes.get(self._entry(call)) == _ABSENT
        ]
        entries = {call.number: self._entry(call).removeprefix("__x64_sys_") for call in absent}
        homes = self.sources.homes_of_calls(entries.values())
        for call in absent:
            home = homes.get(entries[call.number])
            needed = self.gates.needs(home) - frozenset(self.symbols) if home else frozenset[str]()
            yield Unavailable(call_lines([call])[0], tuple(sorted(needed)))
        for call in self.recording.calls:
            refused = {"EAFNOSUPPORT", "ENOPROTOOPT", "EOPNOTSUPP", "ENOTTY", "ENODEV"} & call.failures.keys()
            missing = call.name in _PATHS_BELOW and call.detail and "ENOENT" in call.failures
            if (refused or missing) and call not in absent:
                yield Unavailable(call_lines([call])[0], ())

    def _entry(self, call: CallUse) -> str:
        row = self.table.get(call.number)
        return X86_64.system_call_symbol.format(row.entry) if row is not None else ""

    @cached_property
    def _homes(self) -> Mapping[str, str]:
        return {function.name: function.home for function in self.functions if function.name.startswith("__x64_sys_")}

    @cached_property
    def _providers(self) -> Providers:
        return self.sources.providers(use.path for use in self.recording.objects if use.path != UNKNOWN)

    @cached_property
    def _mounted(self) -> tuple[tuple[str, str], ...]:
        """(place, object file of the file system) of what was mounted, the deepest place first."""
        found = []
        for call in self.recording.calls:
            if call.name == "mount":
                kind, _, rest = call.detail.partition(" on ")
                if (home := self._providers.file_systems.get(kind)) is not None:
                    found.append((rest.partition(",")[0], home))
        return tuple(sorted(found, reverse=True))


def _state(use: ObjectUse) -> str:
    return USED if use.used else BOOT if use.boot else IDLE
