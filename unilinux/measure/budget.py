"""Budgets: what an image may cost, written down, and what has grown beyond it.

Instruction counts are exact, so a budget holds on every machine. The tolerance
is for changes that nobody meant to make, such as a longer version string.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unilinux.core.document import Field, Model, read_document
from unilinux.core.errors import CheckError
from unilinux.core.files import write_atomically

# What a client does comes from outside: these stages differ from run to run.
UNSTEADY_STAGES = frozenset({"answer", "exit"})
_NAMED_INITCALLS = 5


class Budget(Model):
    """``apps/NAME/budget.toml``: what was measured when it was last updated.

    ``stages`` and ``initcalls`` are guest instructions of their own, ``bytes`` sizes of
    artefacts, ``least_memory_mib`` the least ``-m``; ``config`` is the kernel's
    configuration, to tell what has changed since. Instructions may grow by
    ``tolerance_percent`` of the whole boot, bytes by ``tolerance_bytes``, memory not.
    """

    version_of_schema: Literal[1] = Field(alias="schema")
    profile: str
    machine: str
    memory_mib: int
    tolerance_percent: float
    tolerance_bytes: int
    stages: dict[str, int]
    initcalls: dict[str, int]
    bytes: dict[str, int]
    config: dict[str, str]
    least_memory_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an image costs now: as in :class:`Budget`."""

    stages: Mapping[str, int]
    initcalls: Mapping[str, int] = field(default_factory=dict)
    bytes: Mapping[str, int] = field(default_factory=dict)
    least_memory_mib: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One number against its budget. ``unit`` is "instructions", "bytes" or "MiB"."""

    subject: str
    was: int
    now: int
    allowed: int
    unit: str

    @property
    def ok(self) -> bool:
        """Whether it is within the budget and its tolerance."""
        return self.now <= self.was + self.allowed

    def explain(self) -> str:
        """One line: what, from what to what, by how much."""
        grown = self.now - self.was
        if not grown:
            return f"{self.subject}: {self.now:,} {self.unit}, as budgeted"
        how = "grew" if grown > 0 else "shrank"
        percent = f" ({100 * grown / self.was:+.2f} %)" if self.was else ""
        allowed = "" if self.ok or not self.allowed else f"; {self.allowed:,} more are tolerated"
        return f"{self.subject} {how} by {abs(grown):,} {self.unit}{percent}: {self.was:,} → {self.now:,}{allowed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Verdicts, and what may explain them: initcalls that grew, symbols that changed."""

    verdicts: tuple[Verdict, ...]
    initcalls: tuple[Verdict, ...]
    config: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing grew beyond its tolerance."""
        return all(verdict.ok for verdict in self.verdicts)

    def explain(self) -> tuple[str, ...]:
        """What is over its budget, then what may have caused it."""
        lines = [verdict.explain() for verdict in self.verdicts if not verdict.ok]
        if lines:
            lines += [f"initcall {verdict.explain()}" for verdict in self.initcalls]
            lines += [f"configuration: {change}" for change in self.config]
            if not self.config:
                lines.append("configuration: unchanged, so it is the code")
        return tuple(lines)


def read_budget(path: Path) -> Budget:
    """Read a budget file.

    :raise ManifestError: it is missing, malformed or of another schema.
    """
    return read_document(path, Budget)


def compare(budget: Budget, measured: Measured) -> Comparison:
    """Hold what was measured against the budget."""
    slack = round(budget.tolerance_percent / 100 * sum(budget.stages.values()))
    verdicts = [
        *_verdicts("stage ", budget.stages, measured.stages, slack, "instructions"),
        _whole_boot(budget, measured, slack),
        *_verdicts("", budget.bytes, measured.bytes, budget.tolerance_bytes, "bytes"),
    ]
    if budget.least_memory_mib is not None and measured.least_memory_mib is not None:
        verdicts.append(Verdict("least memory", budget.least_memory_mib, measured.least_memory_mib, 0, "MiB"))
    calls = _verdicts("", budget.initcalls, measured.initcalls, 0, "instructions")
    grown = sorted((call for call in calls if not call.ok), key=lambda call: call.was - call.now)
    return Comparison(
        verdicts=tuple(verdicts),
        initcalls=tuple(grown[:_NAMED_INITCALLS]),
        config=config_changes(budget.config, measured.config) if budget.config else (),
    )


def require(comparison: Comparison, *, app: str) -> None:
    """Nothing, when all is within the budget.

    :raise CheckError: something grew; ``details`` says what, by how much, and what may have caused it.
    """
    if not comparison.ok:
        over = sum(not verdict.ok for verdict in comparison.verdicts)
        raise CheckError(
            f"{app} is over its budget in {over} point{'s' if over > 1 else ''}",
            hint=f"mend it, or accept it: ./x budget --app {app} --update",
            details=comparison.explain(),
        )


def config_changes(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """One line per symbol that was turned on, turned off or changed."""
    changes = []
    for symbol in sorted({*was, *now}):
        before, after = was.get(symbol, "n"), now.get(symbol, "n")
        if before != after:
            changes.append(f"{symbol}={after} (was {before})")
    return tuple(changes)


def write_budget(
    path: Path,
    measured: Measured,
    *,
    profile: str,
    machine: str,
    memory_mib: int,
    tolerance_percent: float = 0.5,
    tolerance_bytes: int = 16384,
) -> None:
    """Write what was measured as the budget from now on.

    :raise HostError: the disk is full or read-only.
    """
    lines = [
        "# What this application may cost. Written by ./x budget --update, checked by ./x budget.",
        "schema = 1",
        f"profile = {_quoted(profile)}",
        f"machine = {_quoted(machine)}",
        f"memory_mib = {memory_mib}",
        f"tolerance_percent = {tolerance_percent:g} # of the whole boot's instructions",
        f"tolerance_bytes = {tolerance_bytes}",
    ]
    if measured.least_memory_mib is not None:
        lines.append(f"least_memory_mib = {measured.least_memory_mib}")
    lines += ["", "[stages] # guest instructions of each", *_entries(_steady(measured.stages))]
    lines += ["", "[initcalls] # guest instructions of each", *_entries(measured.initcalls)]
    lines += ["", "[bytes]", *_entries(measured.bytes)]
    lines += ["", "[config] # as it was built"]
    lines += [f"{symbol} = {_quoted(value)}" for symbol, value in sorted(measured.config.items())]
    write_atomically(path, "".join(f"{line}\n" for line in lines))


def _whole_boot(budget: Budget, measured: Measured, slack: int) -> Verdict:
    """All steady stages together: a little more everywhere is a lot."""
    now = sum(count for stage, count in measured.stages.items() if stage in budget.stages)
    return Verdict("the whole boot", sum(budget.stages.values()), now, slack, "instructions")


def _verdicts(prefix: str, was: Mapping[str, int], now: Mapping[str, int], allowed: int, unit: str) -> list[Verdict]:
    new = {name: 0 for name in _steady(now) if name not in was} if was else {}
    return [
        Verdict(f"{prefix}{name}", count, now[name], allowed, unit)
        for name, count in {**was, **new}.items()
        if name in now
    ]


def _steady(stages: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in stages.items() if name not in UNSTEADY_STAGES}


def _entries(values: Mapping[str, int]) -> list[str]:
    return [f"{_quoted(name)} = {count}" for name, count in values.items()]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
