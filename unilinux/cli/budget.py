"""Budgets of applications: checked, or written anew, and each measurement kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from unilinux.cli.images import Choice
from unilinux.cli.least_memory import failure_with, find_least_memory
from unilinux.cli.measure import HISTORY_FILE
from unilinux.cli.session import Session, session
from unilinux.cli.specimen import Specimen, build_specimen, count, sizes
from unilinux.core import command
from unilinux.core.errors import UniLinuxError, UsageError
from unilinux.image.record import ARTIFACTS
from unilinux.kernel.kbuild import parse_config
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.budget import Budget, Comparison, Measured, compare, read_budget, require, write_budget
from unilinux.measure.history import Record, append_record
from unilinux.measure.stages import Stages
from unilinux.vm.choice import choose_accelerator

BUDGET_FILE = "budget.toml"


def budget(project: Path, app: str, *, update: bool, timeout_s: float, as_json: bool, verbose: bool) -> None:
    """Hold an application against its budget, or make what it costs now the budget."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        path = budget_file(here, app)
        before = read_budget(path) if path.exists() else None
        if before is None and not update:
            raise UsageError(f"{app} has no budget: {path} is missing", hint=f"./x budget --app {app} --update")
        specimen = build_specimen(here, usual_choice(app, before))
        measured = _measure(here, specimen, None if update else before, timeout_s=timeout_s)
        append_record(here.layout.build / HISTORY_FILE, _record(here, specimen, measured))
        if update or before is None:
            _write(path, specimen, measured, before)
            here.answer({"budget": str(path), **document(measured)}, lambda: f"{path} says what {app} costs now")
            return
        comparison = compare(before, measured)
        here.answer({"budget": str(path), **document(measured), **verdicts(comparison)}, lambda: text(app, comparison))
        require(comparison, app=app)


def budget_file(here: Session, app: str) -> Path:
    """Where an application's budget is.

    :raise UsageError: there is no such application.
    """
    return Choice(app=app).plan(here).app.path.parent / BUDGET_FILE


def usual_choice(app: str, before: Budget | None) -> Choice:
    """The image and machine that a budget is about; without one, the application's usual image."""
    if before is None:
        return Choice(app=app)
    return Choice(app=app, profile=before.profile, machine=before.machine, memory=before.memory_mib)


def document(measured: Measured) -> dict[str, Any]:
    """Plain JSON data, without the configuration."""
    return {
        "stages": dict(measured.stages),
        "bytes": dict(measured.bytes),
        "least_memory_mib": measured.least_memory_mib,
    }


def verdicts(comparison: Comparison) -> dict[str, Any]:
    """Plain JSON data."""
    return {
        "ok": comparison.ok,
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


def text(app: str, comparison: Comparison) -> str:
    """What is within its budget, a line each; what isn't is the error's to tell."""
    lines = [f"{app}: {'within' if comparison.ok else 'OVER'} its budget"]
    lines += [f"  {'ok  ' if one.ok else 'OVER'} {one.explain()}" for one in comparison.verdicts]
    return "\n".join(lines)


def measured_of(
    counted: Stages, *, sizes_bytes: Mapping[str, int], config: Mapping[str, str], least_memory_mib: int | None
) -> Measured:
    """What a budget is about, out of what was measured; initcalls of one name count together."""
    calls: Counter[str] = Counter()
    for cost in counted.initcalls:
        calls[cost.name] += cost.instructions
    return Measured(
        stages={stage.name: stage.spent for stage in counted.stages},
        initcalls=dict(calls.most_common()),
        bytes=sizes_bytes,
        least_memory_mib=least_memory_mib,
        config=config,
    )


def _measure(here: Session, specimen: Specimen, budgeted: Budget | None, *, timeout_s: float) -> Measured:
    image = specimen.image
    (counted,) = count(here, specimen)
    loaded = sizes(here, image.folder, image.record["inputs"]).loaded
    files = {name: int(image.record["sizes"][name]) for name in ("vmlinux", "bzImage")}
    return measured_of(
        counted,
        sizes_bytes={"loaded": loaded, **files},
        config=parse_config((image.folder / ARTIFACTS["config"]).read_text(encoding="utf-8")),
        least_memory_mib=_least_memory(here, specimen, budgeted, timeout_s=timeout_s),
    )


def _least_memory(here: Session, specimen: Specimen, budgeted: Budget | None, *, timeout_s: float) -> int:
    """Bisected; one boot is enough when what is budgeted still is."""
    low = LEAST_MEMORY_MIB
    if budgeted is not None and budgeted.least_memory_mib is not None:
        accelerator = choose_accelerator("auto", here.layout.cache)
        enough = specimen.with_memory(budgeted.least_memory_mib)
        if failure_with(here, enough, accelerator, timeout_s=timeout_s) is None:
            return enough.memory_mib
        low = enough.memory_mib + 1
    return find_least_memory(here, specimen, low=low, high=specimen.memory_mib, timeout_s=timeout_s).mib


def _write(path: Path, specimen: Specimen, measured: Measured, before: Budget | None) -> None:
    """With the tolerances of the budget that was, where there was one."""
    plan = specimen.plan
    write = partial(
        write_budget,
        path,
        measured,
        profile=plan.profile.name,
        machine=plan.machine.spec.board,
        memory_mib=specimen.memory_mib,
    )
    if before is None:
        write()
    else:
        write(tolerance_percent=before.tolerance_percent, tolerance_bytes=before.tolerance_bytes)


def _record(here: Session, specimen: Specimen, measured: Measured) -> Record:
    return Record(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=_revision(here.layout.project),
        app=specimen.manifest.name,
        profile=specimen.plan.profile.name,
        machine=specimen.plan.machine.spec.board,
        stages=dict(measured.stages),
        bytes=dict(measured.bytes),
        least_memory_mib=measured.least_memory_mib,
    )


def _revision(project: Path) -> str:
    """The project's commit, ``+`` behind it when files have changed since."""
    try:
        return command.run(["git", "describe", "--always", "--exclude=*", "--dirty=+"], cwd=project).output.strip()
    except UniLinuxError:  # an unpacked archive has no history
        return "unknown"
