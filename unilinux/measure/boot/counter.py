# SPDX-License-Identifier: GPL-2.0-only
"""The instruction counter, a QEMU TCG plugin: what it is told to count, and what it counted.

The plugin counts every guest instruction since reset, by region of addresses,
and stamps the execution of watched addresses. The guest can't notice: nothing is
inserted into it, and under ``-icount`` its clock runs the same with and without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.core import command
from unilinux.core.errors import VmError
from unilinux.core.store import Step, Store, Workspace
from unilinux.vm.engine import Plugin
from unilinux.vm.qemu.version import qemu_version

_SOURCES = Path(__file__).parent / "plugin"
_FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Stamps the execution of any of ``addresses``, or of any address in one of ``ranges``.

    ``after`` names another watch and a number: hits count only after that watch was hit so many times.
    ``keep`` is the number of stamps kept; ``snapshot`` keeps the profile as it was
    at the first hit.
    """

    name: str
    addresses: tuple[int, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    after: tuple[str, int] | None = None
    keep: int = 1
    snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterPlan:
    """What to count: watches, and where each region of the profile begins (sorted, above 0).

    ``exits``: tell in the emulator's log of what makes a guest exit (:mod:`unilinux.measure.boot.exits`).
    """

    watches: tuple[Watch, ...]
    regions: tuple[int, ...] = ()
    exits: bool = False

    def text(self) -> str:
        """The plan as the plugin reads it (see plugin/plan.h)."""
        numbers = {watch.name: number for number, watch in enumerate(self.watches)}
        lines: list[str] = []
        for number, watch in enumerate(self.watches):
            after, hits = (numbers[watch.after[0]], watch.after[1]) if watch.after else (-1, 0)
            lines.append(f"watch {number} {watch.keep} {int(watch.snapshot)} {after} {hits}")
        for number, watch in enumerate(self.watches):
            lines.extend(f"at {number} {address:x}" for address in watch.addresses)
            lines.extend(f"in {number} {start:x} {end:x}" for start, end in watch.ranges)
        lines.extend(f"region {address:x}" for address in self.regions)
        if self.exits:
            lines.append("exits")
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the plugin counted: instructions since reset.

    ``stamps`` are by watch, in order of execution; a watch that was never hit has
    none. ``regions`` is the profile at the end, ``snapshots`` those of watches; both
    by index of the region, where 0 is what lies below the first.
    """

    total: int
    vcpus: tuple[int, ...]
    hits: Mapping[str, int]
    stamps: Mapping[str, tuple[int, ...]]
    regions: Mapping[int, int]
    snapshots: Mapping[str, Mapping[int, int]]

    def first(self, name: str) -> int | None:
        """Instructions executed before the watch was first hit; None if it never was."""
        stamps = self.stamps.get(name, ())
        return stamps[0] if stamps else None


def read_counts(text: str, plan: CounterPlan) -> Counts:
    """Read the plugin's output for a plan.

    :raise VmError: it is cut short, as when QEMU was killed while writing it.
    """
    total, vcpus = 0, []
    hits: dict[str, int] = {}
    stamps: dict[str, tuple[int, ...]] = {}
    regions: dict[int, int] = {}
    snapshots: dict[str, dict[int, int]] = {watch.name: {} for watch in plan.watches if watch.snapshot}
    line = ""
    try:
        for line in text.splitlines():
            kind, *words = line.split()
            numbers = [int(word) for word in words]
            if kind == "total":
                (total,) = numbers
            elif kind == "vcpu":
                vcpus.append(numbers[1])
            elif kind == "watch":
                name = plan.watches[numbers[0]].name
                hits[name], stamps[name] = numbers[1], tuple(numbers[2:])
            elif kind == "snapshot":
                snapshots[plan.watches[numbers[0]].name][numbers[1]] = numbers[2]
            elif kind == "region":
                regions[numbers[0]] = numbers[1]
    except (ValueError, IndexError) as error:
        raise VmError(f"the instruction counter's output is malformed: {line!r}") from error
    if sum(regions.values()) != total or len(hits) != len(plan.watches):
        raise VmError(
            "the instruction counter's output is cut short",
            hint="QEMU has to end by itself, by QMP's quit, or by SIGTERM: the counts are written when it ends",
        )
    return Counts(
        total=total,
        vcpus=tuple(vcpus),
        hits=MappingProxyType(hits),
        stamps=MappingProxyType(stamps),
        regions=MappingProxyType(regions),
        snapshots=MappingProxyType({name: MappingProxyType(profile) for name, profile in snapshots.items()}),
    )


def counting(plugin: Path, plan: Path, out: Path, *, log: Path | None = None) -> Plugin:
    """The plugin with its files, for a boot; a plan with exits needs the log."""
    return Plugin(path=plugin, options={"plan": str(plan), "out": str(out)}, log=log)


def plugin_interface(qemu: tuple[int, int]) -> int:
    """Version of the plugin interface to build for: QEMU 9.0 removed what version 1 had, and 9.1 changed a function."""
    if qemu < (9, 0):
        return 1
    return 2 if qemu < (9, 1) else 3


def build_plugin(store: Store) -> Path:
    """The plugin for the installed QEMU, compiled by the host's compiler when it isn't in the store.

    :raise HostError: QEMU or the compiler is missing.
    :raise CommandError: the compiler said no.
    """
    interface = plugin_interface(qemu_version())
    step = Step(
        name="counter",
        label=f"instruction counter for QEMU (plugin interface {interface})",
        spec={"interface": interface, "flags": _FLAGS},
        tools=("gcc", "as", "ld"),
        files={source.name: source for source in _sources("*.[ch]")},
    )

    def make(space: Workspace) -> None:
        argv: Sequence[str | Path] = ["gcc", *_FLAGS, f"-DQEMU_PLUGIN_API={interface}", "-o", space.out / "counter.so"]
        command.run([*argv, *_sources("*.c")], log=space.log)

    return store.run(step, make).path / "counter.so"


def _sources(pattern: str) -> list[Path]:
    return sorted(_SOURCES.glob(pattern))
