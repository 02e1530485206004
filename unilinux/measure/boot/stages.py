# SPDX-License-Identifier: GPL-2.0-only
"""The stages of a boot, from reset to the application's end, from the counter's stamps.

A stage ends where the next one begins; ``instructions`` is always since reset, at
its end, and ``spent`` is the stage's own. So ``pid1`` is over when PID 1 executes
its first instruction, ``main`` when the application's main is entered, and
``ready`` when it first listens.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from unilinux.measure.boot.counter import CounterPlan, Counts, Watch
from unilinux.measure.boot.exits import Exit, by_cause, by_stage
from unilinux.measure.boot.kernel import HEAD_BYTES, LEVELS, Initcall, Kernel, TextSymbol

# Where Linux's boot protocol puts the protected-mode code of a bzImage.
_BZIMAGE_ENTRY = 0x100000
# All of user space.
USER = (0x1000, 0x800000000000)
# do_one_initcall executes some 40 instructions for each initcall.
_MANY = 1 << 17
_BELOW = "(not the kernel)"
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Stage:
    """A span of the boot. ``instructions`` since reset at its end; ``memory_bytes`` in use at its end, if known."""

    name: str
    instructions: int
    spent: int
    memory_bytes: int | None = None

    def document(self) -> dict[str, int]:
        """Plain JSON data; memory that isn't known is left out."""
        counted = {"instructions": self.instructions, "spent": self.spent}
        return counted if self.memory_bytes is None else {**counted, "memory_bytes": self.memory_bytes}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a function or an initcall took, in guest instructions."""

    name: str
    instructions: int
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """One measured boot.

    ``functions`` is the profile up to PID 1 (each function's own instructions),
    ``initcalls`` are with all that they call; both have all entries, the most expensive first.
    ``executed`` names every kernel function that ran at all until the machine ended.
    ``exits`` are what would be exits to a hypervisor, by stage and cause; see :mod:`unilinux.measure.boot.exits`.
    """

    stages: tuple[Stage, ...]
    initcalls: tuple[Cost, ...]
    functions: tuple[Cost, ...]
    executed: tuple[str, ...]
    total: int
    vcpus: tuple[int, ...]
    exits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def instructions(self, stage: str) -> int | None:
        """Instructions since reset at the end of a stage; None if it was never reached."""
        return next((one.instructions for one in self.stages if one.name == stage), None)

    def exits_in(self, stage: str) -> int | None:
        """Exits of one stage; None if it was never reached, or exits weren't counted."""
        reached = self.exits and self.instructions(stage) is not None
        return sum(self.exits.get(stage, {}).values()) if reached else None

    def exits_to(self, stage: str) -> Mapping[str, int]:
        """Exits by cause, since reset, up to the end of a stage; none if it was never reached."""
        names = [one.name for one in self.stages]
        if stage not in names:
            return {}
        return by_cause({name: self.exits.get(name, {}) for name in names[: names.index(stage) + 1]})

    def with_memory(self, bytes_at: Mapping[str, int]) -> Stages:
        """The same with the memory in use at the end of stages (:mod:`unilinux.measure.memory.occupancy`)."""
        return replace(self, stages=tuple(replace(one, memory_bytes=bytes_at.get(one.name)) for one in self.stages))

    def document(self, most: int = MOST_SHOWN) -> dict[str, Any]:
        """Plain JSON data: ``stages.pid1.instructions`` and the like, and the most expensive of the rest."""
        return {
            "stages": {one.name: one.document() for one in self.stages},
            "initcalls": [
                {"name": one.name, "level": one.level, "instructions": one.instructions}
                for one in self.initcalls[:most]
            ],
            "functions": [{"name": one.name, "instructions": one.instructions} for one in self.functions[:most]],
            "functions_executed": len(self.executed),
            "total": self.total,
            "vcpus": list(self.vcpus),
            "exits": {
                "total": sum(by_cause(self.exits).values()),
                "causes": by_cause(self.exits),
                "stages": {name: dict(causes) for name, causes in self.exits.items()},
            },
        }


def last_exact_stage(*boots: Stages) -> str:
    """The stage up to which repeats agree, and which all of these boots reached.

    A server hears nothing from outside before it listens.
    """
    return "ready" if all(boot.instructions("ready") is not None for boot in boots) else "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Where the application's code is, as far as it is known.

    ``pid1`` is the address of PID 1's first instruction; without it, the first
    instruction fetched in user space counts (so ring 0 needs it). ``main`` is the
    address of main; without it, the application's first instruction counts.
    ``programs`` is the number of programs started by then: 2 when an init of ours
    starts the application, 1 when it is /init itself.
    """

    pid1: int | None = None
    main: int | None = None
    programs: int = 2


@dataclass(frozen=True, slots=True)
class Span:
    """An initcall from its first instruction to its return."""

    call: Initcall
    begin: int
    end: int


def plan(kernel: Kernel, application: Application) -> CounterPlan:
    """What to watch and to count for the stages of this kernel and this application."""
    started = ("program", 1) if kernel.addresses("start_thread") else ("kernel", 1)
    watches = [
        Watch(name="loader", addresses=(_BZIMAGE_ENTRY,)),
        _entry_watch(kernel),
        Watch(name="start_kernel", addresses=kernel.addresses("start_kernel")),
        Watch(name="initcall", ranges=_extents(kernel, "do_one_initcall"), keep=_MANY),
        Watch(name="initcalls over", addresses=kernel.addresses("console_on_rootfs", "free_initmem")),
        Watch(name="program", addresses=kernel.addresses("start_thread"), keep=16),
        _user_watch("pid1", application.pid1, started),
        _main_watch(kernel, application),
        Watch(
            name="ready",
            addresses=kernel.addresses("__sys_listen", "__x64_sys_listen", "__sys_listen_socket"),
            after=("pid1", 1),
            snapshot=True,
        ),
        Watch(name="answer", addresses=kernel.addresses("tcp_sendmsg"), after=("ready", 1)),
        Watch(name="exit", addresses=_exits(kernel), after=("pid1", 1)),
        # Some are called directly as well, before the initcalls' turn: static_call_init.
        *(
            Watch(name=f"initcall {number}", addresses=(call.address,), after=("initcall", 1))
            for number, call in enumerate(kernel.initcalls)
        ),
    ]
    return CounterPlan(watches=tuple(watches), regions=tuple(region.address for region in _regions(kernel)))


def _entry_watch(kernel: Kernel) -> Watch:
    entries = kernel.addresses("pvh_start_xen", "startup_64")
    if entries:
        return Watch(name="kernel", addresses=entries)
    # It begins somewhere in .head.text, where nothing else ever runs.
    return Watch(name="kernel", ranges=((kernel.load_address, kernel.load_address + HEAD_BYTES),))


def _exits(kernel: Kernel) -> tuple[int, ...]:
    """With our patch, PID 1 ends the machine. Without it, the first process that exits is taken."""
    return kernel.addresses("unilinux_init_exit") or kernel.addresses("__x64_sys_exit_group")


def _extents(kernel: Kernel, name: str) -> tuple[tuple[int, int], ...]:
    extent = kernel.extent(name)
    return (extent,) if extent else ()


def _user_watch(name: str, address: int | None, after: tuple[str, int]) -> Watch:
    if address is None:
        return Watch(name=name, ranges=(USER,), after=after, snapshot=True)
    return Watch(name=name, addresses=(address,), after=after, snapshot=True)


def _main_watch(kernel: Kernel, application: Application) -> Watch:
    if kernel.addresses("start_thread"):
        return _user_watch("main", application.main, ("program", application.programs))
    if application.main is None:  # it can't be told from init
        return Watch(name="main", snapshot=True)
    return _user_watch("main", application.main, ("pid1", 1))


def _regions(kernel: Kernel) -> tuple[TextSymbol, ...]:
    return (*kernel.early_functions(), *kernel.functions)


def _region_names(kernel: Kernel) -> tuple[str, ...]:
    return (_BELOW, *(region.name for region in _regions(kernel)))


def stages(counts: Counts, kernel: Kernel, exits: Iterable[Exit] = ()) -> Stages:
    """The stages of a boot that was counted by :func:`plan` of the same kernel, and its exits."""
    spans = _initcall_spans(counts, kernel)
    marks = [
        ("firmware", counts.first("loader") if _is_before(counts, "loader", "kernel") else counts.first("kernel")),
        ("decompression", counts.first("kernel") if _is_before(counts, "loader", "kernel") else None),
        ("entry", counts.first("start_kernel")),
        *_level_marks(spans),
        ("pid1", counts.first("pid1")),
        ("main", counts.first("main")),
        ("ready", counts.first("ready")),
        ("answer", counts.first("answer")),
        ("exit", counts.first("exit")),
    ]
    reached = sorted(((name, end) for name, end in marks if end is not None), key=lambda mark: mark[1])
    costs = (Cost(span.call.name, span.end - span.begin, span.call.level) for span in spans)
    return Stages(
        stages=_stages(reached),
        initcalls=tuple(sorted(costs, key=lambda cost: -cost.instructions)),
        functions=_profile(counts.snapshots["pid1"], kernel),
        executed=_executed(counts.regions, kernel),
        total=counts.total,
        vcpus=counts.vcpus,
        exits=by_stage(exits, reached),
    )


def _is_before(counts: Counts, name: str, other: str) -> bool:
    first, second = counts.first(name), counts.first(other)
    return first is not None and second is not None and first < second


def _stages(marks: Iterable[tuple[str, int]]) -> tuple[Stage, ...]:
    found: list[Stage] = []
    begin = 0
    for name, end in marks:
        found.append(Stage(name, end, end - begin))
        begin = end
    return tuple(found)


def _initcall_spans(counts: Counts, kernel: Kernel) -> list[Span]:
    """Each initcall with the instruction that it began at and the one where do_one_initcall went on."""
    after = counts.stamps.get("initcall", ())
    found = []
    for number, call in enumerate(kernel.initcalls):
        begin = counts.first(f"initcall {number}")
        if begin is None:
            continue
        position = bisect.bisect_right(after, begin)
        if position < len(after):
            found.append(Span(call, begin, after[position]))
    return sorted(found, key=lambda span: span.begin)


def _level_marks(spans: Sequence[Span]) -> list[tuple[str, int]]:
    """Ends of stages: a level's is where the next level begins."""
    if not spans:
        return []
    begins = {level: min(s.begin for s in spans if s.call.level == level) for level in {s.call.level for s in spans}}
    order = [level for level in LEVELS.values() if level in begins]
    marks = [("core", begins[order[0]])]
    if order[0] == "early" and len(order) > 1:
        # Between these two: SMP, the driver model, and what else kernel_init_freeable sets up.
        marks.append(("initcalls.early", max(s.end for s in spans if s.call.level == "early")))
        marks.append(("basics", begins[order[1]]))
        order = order[1:]
    marks.extend((f"initcalls.{level}", begins[following]) for level, following in pairwise(order))
    marks.append((f"initcalls.{order[-1]}", max(span.end for span in spans)))
    return marks


def _profile(regions: Mapping[int, int], kernel: Kernel) -> tuple[Cost, ...]:
    """Instructions by function, the most expensive first; functions of one name count together."""
    names = _region_names(kernel)
    sums: Counter[str] = Counter()
    for region, count in regions.items():
        sums[names[region]] += count
    return tuple(Cost(name, count) for name, count in sums.most_common())


def _executed(regions: Mapping[int, int], kernel: Kernel) -> tuple[str, ...]:
    names = _region_names(kernel)
    return tuple(sorted({names[region] for region in regions} - {_BELOW}))
