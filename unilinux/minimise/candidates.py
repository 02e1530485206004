# SPDX-License-Identifier: GPL-2.0-only
"""What may be changed to make a kernel smaller, and what stays whatever verification says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unilinux.kconfig.resolved import Resolved, Source
from unilinux.kconfig.variation import Setting

KEEP: Mapping[str, str] = MappingProxyType(
    {
        # Security: no check of an application would notice their absence.
        "SYN_COOKIES": "a flood of SYNs must not shut the port",
        "BUG": "a broken invariant ends the machine, rather than going on with it",
        "STRICT_KERNEL_RWX": "the kernel's code and constants can't be overwritten",
        "INIT_STACK_ALL_ZERO": "nothing left on the kernel's stack is sent to the network",
        "MULTIUSER": "workers can give up root",
        # What the image is.
        "64BIT": "applications are x86-64",
        "EXPERT": "the menu of what can be taken away; without it Kconfig turns much on",
        "BINFMT_ELF": "the format of programs",
        "PRINTK": "a kernel that stops must say why",
        # What it costs its host.
        "NO_HZ_IDLE": "an idle guest takes no time of its host's",
    }
)
"""Symbols that are never taken away, each with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing to try: ``changes`` to the configuration; ``name`` is the symbol that they are about."""

    name: str
    changes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Other values for one thing, of which the one that makes the smallest vmlinux is taken.

    With ``at_run_time`` the gain is memory while it runs: it is also taken when the image stays as it is.
    With ``late`` it is tried by itself, at the end.
    """

    name: str
    moves: tuple[Move, ...]
    why: str
    at_run_time: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alternative:
    name: str
    changes: tuple[Mapping[str, str], ...]
    why: str
    at_run_time: bool = False
    late: bool = False


# Values, rather than symbols to take away; those that a kernel's Kconfig doesn't have are skipped.
# The optimiser comes first: it changes every object. Late are those that fail easily and touch few objects, so that
# they don't make a group fail. The compressor is the profile's: QEMU boots vmlinux, and no trial makes a bzImage.
_ALTERNATIVES = (
    _Alternative(
        name="CC_OPTIMIZE_FOR_SIZE",
        changes=({"CC_OPTIMIZE_FOR_SIZE": "y"},),
        why="-Os: less code, which takes more instructions to boot",
    ),
    _Alternative(
        name="LD_DEAD_CODE_DATA_ELIMINATION",
        changes=({"LD_DEAD_CODE_DATA_ELIMINATION": "y"},),
        why="the linker leaves out what nothing refers to",
    ),
    _Alternative(
        name="SLUB_TINY",
        changes=({"SLUB_TINY": "y"},),
        why="an allocator without caches per CPU",
        at_run_time=True,
    ),
    _Alternative(name="BASE_SMALL", changes=({"BASE_SMALL": "y"},), why="smaller tables", at_run_time=True),
    _Alternative(
        name="PROCESSOR_SELECT",
        changes=({"PROCESSOR_SELECT": "y", "CPU_SUP_INTEL": "y", "CPU_SUP_AMD": "y"},),
        why="no code for makers of processors that hosts don't have",
    ),
    _Alternative(name="HZ_100", changes=({"HZ_100": "y"},), why="the fewest timer interrupts", at_run_time=True),
    _Alternative(
        name="LOG_BUF_SHIFT",
        changes=({"LOG_BUF_SHIFT": "13"},),
        why="the kernel's messages, in powers of 2",
        at_run_time=True,
        late=True,
    ),
    _Alternative(name="NR_CPUS", changes=({"NR_CPUS": "2"},), why="tables per CPU", at_run_time=True),
    _Alternative(
        name="IO_DELAY_NONE", changes=({"IO_DELAY_NONE": "y"},), why="no delays for ISA hardware of the 1980s"
    ),
    _Alternative(
        name="LEGACY_VSYSCALL_NONE",
        changes=({"LEGACY_VSYSCALL_NONE": "y"},),
        why="no page for programs from before 2011",
    ),
)


def keep_list(more: Mapping[str, str]) -> Mapping[str, str]:
    """The usual symbols to keep and those that the user adds, with the reasons."""
    return {**KEEP, **more}


def removals(
    settings: Sequence[Setting], original: Resolved, *, removable_from: Collection[str], keep: Mapping[str, str]
) -> tuple[Move, ...]:
    """What is on, can be off, and is asked for only by the files ``removable_from`` (the profile's).

    What the application's manifest, the machine or the image asks for isn't tried:
    they say that it is needed. Symbols that save something aren't tried either.
    """
    savers = {symbol for symbol, value in option_symbols() if value == "y"}
    return tuple(
        Move(name=setting.name, changes={setting.name: "n"})
        for setting in settings
        if setting.kind in ("bool", "tristate")
        and setting.name not in keep
        and setting.name not in savers
        and _is_free(original, setting.name, removable_from)
    )


def options(
    original: Resolved, known: Collection[str], *, removable_from: Collection[str], keep: Mapping[str, str]
) -> tuple[Option, ...]:
    """Values worth trying in this configuration; ``known`` are the symbols that the kernel has."""
    found = []
    for one in _ALTERNATIVES:
        moves = tuple(
            Move(name=next(iter(changes)), changes=changes)
            for changes in one.changes
            if all(symbol in known and symbol not in keep for symbol in changes)
            and any(original.value(symbol) != value for symbol, value in changes.items())
            and all(_is_free(original, symbol, removable_from) for symbol in changes)
        )
        if moves:
            found.append(Option(name=one.name, moves=moves, why=one.why, at_run_time=one.at_run_time, late=one.late))
    return tuple(found)


def kept_here(settings: Sequence[Setting], original: Resolved, keep: Mapping[str, str]) -> dict[str, str]:
    """The part of the keep-list that is on in this configuration, with the reasons."""
    chosen = {setting.value for setting in settings if setting.kind == "choice"}
    return {
        symbol: reason for symbol, reason in keep.items() if symbol in chosen or original.value(symbol) not in ("n", "")
    }


def _is_free(original: Resolved, symbol: str, removable_from: Collection[str]) -> bool:
    state = original.symbols.get(symbol)
    if state is None or state.source is not Source.ASKED:
        return True
    return all(origin.file in removable_from for origin in state.origins)


def option_symbols() -> tuple[tuple[str, str], ...]:
    """All symbols that options change, with their values; a kernel may lack some."""
    return tuple({pair: None for one in _ALTERNATIVES for changes in one.changes for pair in changes.items()})
