# SPDX-License-Identifier: GPL-2.0-only
"""Budgets of applications: checked, or written anew, and each measurement kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import Catalogue
from unilinux.core import command
from unilinux.core.errors import UniLinuxError, UsageError
from unilinux.core.hosttools import tool_versions
from unilinux.image.record import ARTIFACTS
from unilinux.image.request import Request
from unilinux.kernel.kbuild import parse_config
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.exits import AFTER, by_cause
from unilinux.measure.boot.stages import Stages
from unilinux.measure.budget.budget import UNSTEADY_STAGES, Budget, Measured, Tolerances, read_budget, write_budget
from unilinux.measure.budget.comparison import Comparison, compare, require_all
from unilinux.measure.budget.history import Record, append_record
from unilinux.ops.counting import count
from unilinux.ops.image_under_test import ImageUnderTest, build_under_test
from unilinux.ops.memory import failure_with, find_least_memory
from unilinux.ops.size import sizes
from unilinux.ops.workshop import Workshop
from unilinux.vm.qemu.version import version_line

BUDGET_FILE = "budget.toml"
HISTORY_FILE = "history.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldToBudget:
    """How one application stands. ``before`` and ``comparison`` are None after an update."""

    app: str
    path: Path
    measured: Measured
    before: Budget | None = None
    comparison: Comparison | None = None

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        found = {"app": self.app, "budget": str(self.path), **document(self.measured)}
        return found | (verdicts(self.comparison) if self.comparison else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How all applications stand that were asked for."""

    results: tuple[HeldToBudget, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"budgets": [result.document() for result in self.results]}

    def require(self) -> None:
        """Nothing if all are within their budgets.

        :raise CheckError: one isn't; with what grew, and the command that makes the present costs the budget.
        """
        require_all({result.app: result.comparison for result in self.results if result.comparison})


def hold_budgets(
    here: Workshop, apps: Sequence[str] = (), *, update: bool = False, timeout_s: float | None = None
) -> Budgets:
    """Hold applications against their budgets, or save the present costs as the budgets; no name: all that have one.

    :raise UsageError: an application that isn't there or has no budget.
    :raise ManifestError: a budget that doesn't hold.
    :raise UniLinuxError: as building and booting do.
    """
    files = {app: _budget_file(here, app) for app in dict.fromkeys(apps)} or _all_budgets(here)
    befores = {app: _before(app, path, update=update) for app, path in files.items()}
    results = [
        _hold(here, app, files[app], before, update=update, timeout_s=timeout_s) for app, before in befores.items()
    ]
    return Budgets(results=tuple(results))


def _hold(
    here: Workshop, app: str, path: Path, before: Budget | None, *, update: bool, timeout_s: float | None
) -> HeldToBudget:
    subject = build_under_test(here, usual_request(app, before), bzimage=True)
    measured = _measure(here, subject, None if update else before, timeout_s=timeout_s)
    append_record(here.layout.build / HISTORY_FILE, _record(here, subject, measured))
    if update or before is None:
        _write(path, subject, measured, before)
        return HeldToBudget(app=app, path=path, measured=measured)
    return HeldToBudget(app=app, path=path, measured=measured, before=before, comparison=compare(before, measured))


def _before(app: str, path: Path, *, update: bool) -> Budget | None:
    """The budget that there is.

    :raise UsageError: there is none to hold the application against.
    """
    if path.exists():
        return read_budget(path)
    if not update:
        raise UsageError(f"{app} has no budget: {path} is missing", hint=f"./x budget --app {app} --update")
    return None


def _budget_file(here: Workshop, app: str) -> Path:
    """Where an application's budget is.

    :raise UsageError: there is no such application.
    """
    return Catalogue(here.layout.apps).find(app).path.parent / BUDGET_FILE


def _all_budgets(here: Workshop) -> dict[str, Path]:
    """Every budget that there is, by application.

    :raise UsageError: there is none.
    """
    names = Catalogue(here.layout.apps).names
    found = {name: path for name in names if (path := here.layout.apps / name / BUDGET_FILE).exists()}
    if not found:
        raise UsageError("no application has a budget", hint="./x budget --app hello --update")
    return found


def usual_request(app: str, before: Budget | None) -> Request:
    """The image and machine that a budget is about; without one, the application's usual image."""
    if before is None:
        return Request(app=app)
    return Request(app=app, profile=before.profile, target=before.machine, memory_mib=before.memory_mib)


def document(measured: Measured) -> dict[str, Any]:
    """Plain JSON data, without the configuration."""
    return {
        "stages": dict(measured.stages),
        "bytes": dict(measured.bytes),
        "exits": dict(measured.exits),
        "least_memory_mib": measured.least_memory_mib,
    }


def verdicts(comparison: Comparison) -> dict[str, Any]:
    """Plain JSON data."""
    return {
        "ok": comparison.ok,
        "exact": comparison.exact,
        "verdicts": [
            {
                "subject": one.subject,
                "unit": one.unit,
                "was": one.was,
                "now": one.now,
                "allowed": one.allowed,
                "ok": one.ok,
            }
            for one in comparison.verdicts
        ],
        "explanation": list(comparison.explain()),
    }


def measured_of(
    counted: Stages,
    *,
    sizes_bytes: Mapping[str, int],
    parts: Mapping[str, int],
    config: Mapping[str, str],
    least_memory_mib: int | None,
    linux: str,
    tools: Mapping[str, str],
) -> Measured:
    """What a budget is about, out of what was measured; initcalls of one name count together."""
    calls: Counter[str] = Counter()
    for cost in counted.initcalls:
        calls[cost.name] += cost.instructions
    return Measured(
        stages={stage.name: stage.spent for stage in counted.stages},
        initcalls=dict(calls.most_common()),
        exits=by_cause(counted.exits, without=(*UNSTEADY_STAGES, AFTER)),
        bytes=sizes_bytes,
        parts=parts,
        least_memory_mib=least_memory_mib,
        config=config,
        linux=linux,
        tools=tools,
    )


def _measure(here: Workshop, subject: ImageUnderTest, budgeted: Budget | None, *, timeout_s: float | None) -> Measured:
    folder, record = subject.folder, subject.record
    (counted,) = count(here, subject)
    size = sizes(here, folder, record["inputs"])
    files = {name: int(record["sizes"][name]) for name in ("vmlinux", "bzImage")}
    return measured_of(
        counted,
        sizes_bytes={"loaded": size.loaded, **files},
        parts=size.subsystems(2) if size.is_told_apart else {},
        config=parse_config((folder / ARTIFACTS["config"]).read_text(encoding="utf-8")),
        least_memory_mib=_least_memory(here, subject, budgeted, timeout_s=timeout_s),
        linux=record["kernel"]["version"],
        tools={**tool_versions("gcc", "ld"), "qemu": version_line()},
    )


def _least_memory(here: Workshop, subject: ImageUnderTest, budgeted: Budget | None, *, timeout_s: float | None) -> int:
    """Bisected; one boot is enough when what is budgeted still is."""
    low = LEAST_MEMORY_MIB
    if budgeted is not None and budgeted.least_memory_mib is not None:
        engine = here.engine("auto")
        enough = subject.with_memory(budgeted.least_memory_mib)
        if failure_with(here, enough, engine, timeout_s=timeout_s) is None:
            return enough.memory_mib
        low = enough.memory_mib + 1
    return find_least_memory(here, subject, low=low, high=subject.memory_mib, timeout_s=timeout_s).mib


def _write(path: Path, subject: ImageUnderTest, measured: Measured, before: Budget | None) -> None:
    """With the tolerances of the budget that was, where there was one."""
    write = partial(
        write_budget,
        path,
        measured,
        profile=subject.record["profile"],
        machine=subject.machine.spec.target,
        memory_mib=subject.memory_mib,
    )
    if before is None:
        write()
    else:
        write(
            tolerances=Tolerances(
                percent=before.tolerance_percent,
                size_bytes=before.tolerance_bytes,
                other_tools_percent=before.other_tools_percent,
            )
        )


def _record(here: Workshop, subject: ImageUnderTest, measured: Measured) -> Record:
    return Record(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=_revision(here.layout.project),
        app=subject.manifest.name,
        profile=subject.record["profile"],
        machine=subject.machine.spec.target,
        stages=dict(measured.stages),
        bytes=dict(measured.bytes),
        exits=dict(measured.exits),
        least_memory_mib=measured.least_memory_mib,
    )


def _revision(project: Path) -> str:
    """The project's commit, ``+`` behind it when files have changed since."""
    try:
        return command.run(["git", "describe", "--always", "--exclude=*", "--dirty=+"], cwd=project).output.strip()
    except UniLinuxError:  # an unpacked archive has no history
        return "unknown"
