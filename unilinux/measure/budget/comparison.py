# SPDX-License-Identifier: GPL-2.0-only
"""What has grown beyond its budget, and what may have caused it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unilinux.core.errors import CheckError
from unilinux.measure.budget.budget import Budget, Measured, config_changes, steady

_NAMED = 5  # of the initcalls and parts that grew, those that grew most
_LINE_WIDTH = 100  # of changes of the configuration, in characters


@dataclass(frozen=True, slots=True)
class BudgetItem:
    """One number against its budget. ``unit`` is "instructions", "exits", "bytes" or "MiB"."""

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
    """Each number against its budget, and what may explain the differences.

    ``initcalls`` and ``parts`` (of the source) are those that grew most, ``config`` and
    ``linux`` what has changed in the kernel; ``tools`` says which of the tools aren't
    those of the budget: with others the numbers can't be compared exactly.
    """

    verdicts: tuple[BudgetItem, ...]
    initcalls: tuple[BudgetItem, ...]
    parts: tuple[BudgetItem, ...]
    config: tuple[str, ...]
    linux: tuple[str, ...]
    tools: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing grew beyond its tolerance."""
        return all(verdict.ok for verdict in self.verdicts)

    @property
    def exact(self) -> bool:
        """Whether both were measured with the same tools."""
        return not self.tools

    def explain(self) -> tuple[str, ...]:
        """What is over its budget, then what may have caused it."""
        over = [verdict for verdict in self.verdicts if not verdict.ok]
        if not over:
            return ()
        lines = [verdict.explain() for verdict in over]
        lines += [f"initcall {verdict.explain()}" for verdict in self.initcalls]
        if any(verdict.unit in {"bytes", "MiB"} for verdict in over):
            lines += [f"in {verdict.explain()}" for verdict in self.parts]
        lines += [*self.tools, *self.linux, *(f"configuration: {line}" for line in _lines_of(self.config))]
        if not self.config:
            lines.append("configuration: unchanged, so it is the code")
        return tuple(lines)


def _lines_of(changes: Sequence[str]) -> list[str]:
    """Several on each line, so that the reader still sees what grew."""
    unbroken = ", ".join(change.replace(" ", "\N{NO-BREAK SPACE}") for change in changes)
    lines = textwrap.wrap(unbroken, _LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def compare(budget: Budget, measured: Measured) -> Comparison:
    """Compare what was measured with the budget."""
    tools = tuple(
        f"{name} is “{measured.tools.get(name, '')}”; the budget is of “{version}”"
        for name, version in budget.tools.items()
        if measured.tools.get(name) != version
    )
    wider = budget.other_tools_percent / 100 if tools else 0.0
    boot = sum(budget.stages.values())
    slack = round(max(budget.tolerance_percent / 100, wider) * boot)
    verdicts = [
        *_verdicts("stage ", budget.stages, steady(measured.stages), slack, "instructions"),
        _whole_boot(budget, measured, slack),
        *_exits(budget, measured, max(budget.tolerance_percent / 100, wider)),
        *(
            BudgetItem(name, was, measured.bytes[name], max(budget.tolerance_bytes, round(wider * was)), "bytes")
            for name, was in budget.bytes.items()
            if name in measured.bytes
        ),
    ]
    if budget.least_memory_mib is not None and measured.least_memory_mib is not None:
        more = math.ceil(wider * budget.least_memory_mib)
        verdicts.append(BudgetItem("least memory", budget.least_memory_mib, measured.least_memory_mib, more, "MiB"))
    same_linux = budget.linux == measured.linux
    return Comparison(
        verdicts=tuple(verdicts),
        initcalls=_grown(budget.initcalls, measured.initcalls, "instructions"),
        parts=_grown(budget.parts, measured.parts, "bytes"),
        config=config_changes(budget.config, measured.config) if budget.config else (),
        linux=() if same_linux else (f"Linux {measured.linux}, no longer {budget.linux}",),
        tools=tools,
    )


def require_all(comparisons: Mapping[str, Comparison]) -> None:
    """Check that all of these applications are within their budgets.

    :raise CheckError: something grew; ``details`` says what, by how much, and what may have caused it.
    """
    over = {app: comparison for app, comparison in comparisons.items() if not comparison.ok}
    if not over:
        return
    if len(over) == 1:
        ((app, comparison),) = over.items()
        points = sum(not verdict.ok for verdict in comparison.verdicts)
        message = f"{app} is over its budget in {points} point{'s' if points > 1 else ''}"
        details = comparison.explain()
    else:
        message = f"{', '.join(over)} are over their budgets"
        details = tuple(f"{app}: {line}" for app, comparison in over.items() for line in comparison.explain())
    chosen = " ".join(f"--app {app}" for app in over)
    raise CheckError(message, hint=f"mend it, or accept it: ./x budget {chosen} --update", details=details)


def _whole_boot(budget: Budget, measured: Measured, slack: int) -> BudgetItem:
    """All steady stages together: small growth in each adds up."""
    now = sum(count for stage, count in measured.stages.items() if stage in budget.stages)
    return BudgetItem("the whole boot", sum(budget.stages.values()), now, slack, "instructions")


def _exits(budget: Budget, measured: Measured, share: float) -> list[BudgetItem]:
    """All exits together, then by cause; none for a budget that doesn't limit them."""
    if not budget.exits:
        return []
    was = sum(budget.exits.values())
    slack = round(share * was)
    whole = BudgetItem("all exits", was, sum(measured.exits.values()), slack, "exits")
    return [whole, *_verdicts("exits for ", budget.exits, measured.exits, slack, "exits")]


def _verdicts(prefix: str, was: Mapping[str, int], now: Mapping[str, int], allowed: int, unit: str) -> list[BudgetItem]:
    new = {name: 0 for name in now if name not in was} if was else {}
    return [
        BudgetItem(f"{prefix}{name}", count, now[name], allowed, unit)
        for name, count in {**was, **new}.items()
        if name in now
    ]


def _grown(was: Mapping[str, int], now: Mapping[str, int], unit: str) -> tuple[BudgetItem, ...]:
    calls = _verdicts("", was, now, 0, unit)
    grown = sorted((call for call in calls if not call.ok), key=lambda call: call.was - call.now)
    return tuple(grown[:_NAMED])
