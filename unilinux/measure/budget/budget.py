# SPDX-License-Identifier: GPL-2.0-only
"""Budgets: what an image may cost, and the tools with which that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.core.document import Field, Model, field_validator, read_document
from unilinux.core.files import write_atomically

# What a client does comes from outside: these stages differ from run to run.
UNSTEADY_STAGES = frozenset({"answer", "exit"})
_SCHEMA = 1


class Budget(Model):
    """``apps/NAME/budget.toml``: what was measured when it was last updated.

    ``stages`` and ``initcalls`` are guest instructions of their own, ``bytes`` sizes of
    artefacts, ``parts`` those of the parts of the source, ``least_memory_mib`` the least
    ``-m``; ``config`` is the kernel's configuration, and ``linux`` its release, to tell
    what has changed since. Instructions may grow by ``tolerance_percent`` of the whole
    boot, bytes by ``tolerance_bytes``, memory not.

    ``exits`` are what would be exits to a hypervisor, by cause, in the steady stages. A budget
    without this table doesn't limit them; with it, they may grow by ``tolerance_percent``, too.

    ``tools`` are the programs that the numbers come from, as they describe themselves. Another
    compiler makes another kernel of the same source, and another QEMU another machine:
    where they differ, everything may grow by ``other_tools_percent`` instead.
    """

    version_of_schema: int = Field(alias="schema")
    profile: str
    machine: str
    memory_mib: int
    tolerance_percent: float
    tolerance_bytes: int
    other_tools_percent: float
    linux: str
    tools: dict[str, str]
    stages: dict[str, int]
    initcalls: dict[str, int]
    bytes: dict[str, int]
    parts: dict[str, int]
    config: dict[str, str]
    exits: dict[str, int] = Field(default_factory=dict)
    least_memory_mib: int | None = None

    @field_validator("version_of_schema")
    @classmethod
    def _is_known(cls, value: int) -> int:
        if value != _SCHEMA:
            raise ValueError(
                f"this UniLinux reads schema {_SCHEMA}, not {value}; to write it anew, remove the file first"
            )
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an image costs now: as in :class:`Budget`."""

    stages: Mapping[str, int]
    initcalls: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    least_memory_mib: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    exits: Mapping[str, int] = field(default_factory=dict)
    linux: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How much growth is tolerated, as in :class:`Budget`. The defaults suit changes that nobody meant to make."""

    percent: float = 0.5
    size_bytes: int = 16384
    other_tools_percent: float = 10.0


def read_budget(path: Path) -> Budget:
    """Read a budget file.

    :raise ManifestError: it is missing, malformed or of another schema.
    """
    return read_document(path, Budget)


def config_changes(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each symbol that was turned on, turned off or changed."""
    changes = []
    for symbol in sorted({*was, *now}):
        before, after = was.get(symbol, "n"), now.get(symbol, "n")
        if before != after:
            changes.append(f"{symbol}={after} (was {before})")
    return tuple(changes)


def steady(stages: Mapping[str, int]) -> dict[str, int]:
    """The stages that a budget can be about."""
    return {name: count for name, count in stages.items() if name not in UNSTEADY_STAGES}


def write_budget(
    path: Path,
    measured: Measured,
    *,
    profile: str,
    machine: str,
    memory_mib: int,
    tolerances: Tolerances = Tolerances(),
) -> None:
    """Save the current costs as the budget.

    :raise HostError: the disk is full or read-only.
    """
    lines = [
        "# What this application may cost. Written by ./x budget --update, checked by ./x budget.",
        f"schema = {_SCHEMA}",
        f"profile = {_quoted(profile)}",
        f"machine = {_quoted(machine)}",
        f"memory_mib = {memory_mib}",
        f"tolerance_percent = {tolerances.percent:g} # of the whole boot's instructions",
        f"tolerance_bytes = {tolerances.size_bytes}",
        f"other_tools_percent = {tolerances.other_tools_percent:g} # of everything, where the tools aren't those below",
        f"linux = {_quoted(measured.linux)}",
    ]
    if measured.least_memory_mib is not None:
        lines.append(f"least_memory_mib = {measured.least_memory_mib}")
    lines += ["", "[tools] # that the numbers come from", *_texts(measured.tools)]
    lines += ["", "[stages] # guest instructions of each", *_numbers(steady(measured.stages))]
    lines += ["", "[initcalls] # guest instructions of each", *_numbers(measured.initcalls)]
    if measured.exits:
        lines += ["", "[exits] # to a hypervisor, by cause, as counted under TCG", *_numbers(measured.exits)]
    lines += ["", "[bytes]", *_numbers(measured.bytes)]
    lines += ["", "[parts] # bytes loaded, by part of the source", *_numbers(measured.parts)]
    lines += ["", "[config] # as it was built", *_texts(dict(sorted(measured.config.items())))]
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _numbers(values: Mapping[str, int]) -> list[str]:
    return [f"{_quoted(name)} = {count}" for name, count in values.items()]


def _texts(values: Mapping[str, str]) -> list[str]:
    return [f"{_quoted(name)} = {_quoted(value)}" for name, value in values.items()]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
