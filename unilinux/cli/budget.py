"""Budgets of applications: checked, or written anew, and each measurement kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import load_catalogue
from unilinux.cli.choice import Choice
from unilinux.cli.least_memory import failure_with, find_least_memory
from unilinux.cli.measure import HISTORY_FILE
from unilinux.cli.session import Session, session
from unilinux.cli.specimen import Specimen, build_specimen, count, sizes
from unilinux.core import command
from unilinux.core.errors import UniLinuxError, UsageError
from unilinux.image.record import ARTIFACTS
from unilinux.kernel.kbuild import parse_config
from unilinux.kernel.make import tool_versions
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.stages import Stages
from unilinux.measure.budget.budget import Budget, Measured, Tolerances, read_budget, write_budget
from unilinux.measure.budget.comparison import Comparison, compare, require_all
from unilinux.measure.budget.history import Record, append_record
from unilinux.vm.choose import native_engine
from unilinux.vm.qemu.version import version_line

BUDGET_FILE = "budget.toml"


def budget(project: Path, apps: Sequence[str], *, update: bool, timeout_s: float, as_json: bool, verbose: bool) -> None:
    """Hold applications against their budgets, or make what they cost now the budget; none named: all that have one."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        files = {app: _budget_file(here, app) for app in dict.fromkeys(apps)} or _all_budgets(here)
        befores = {app: _before(app, path, update=update) for app, path in files.items()}
        results = [
            _hold(here, app, files[app], before, update=update, timeout_s=timeout_s) for app, before in befores.items()
        ]
        here.answer({"budgets": [result.document for result in results]}, lambda: "\n".join(r.text for r in results))
        require_all({result.app: result.comparison for result in results if result.comparison})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """How one application stands; ``comparison`` is None after an update."""

    app: str
    document: dict[str, Any]
    text: str
    comparison: Comparison | None


def _hold(here: Session, app: str, path: Path, before: Budget | None, *, update: bool, timeout_s: float) -> _Result:
    specimen = build_specimen(here, usual_choice(app, before))
    measured = _measure(here, specimen, None if update else before, timeout_s=timeout_s)
    append_record(here.layout.build / HISTORY_FILE, _record(here, specimen, measured))
    told = {"app": app, "budget": str(path), **document(measured)}
    if update or before is None:
        _write(path, specimen, measured, before)
        return _Result(app=app, document=told, text=f"{path} says what {app} costs now", comparison=None)
    comparison = compare(before, measured)
    return _Result(
        app=app, document={**told, **verdicts(comparison)}, text=text(app, comparison, before), comparison=comparison
    )


def _before(app: str, path: Path, *, update: bool) -> Budget | None:
    """The budget that there is.

    :raise UsageError: there is none to hold the application against.
    """
    if path.exists():
        return read_budget(path)
    if not update:
        raise UsageError(f"{app} has no budget: {path} is missing", hint=f"./x budget --app {app} --update")
    return None


def _budget_file(here: Session, app: str) -> Path:
    """Where an application's budget is.

    :raise UsageError: there is no such application.
    """
    return Choice(app=app).plan(here).app.path.parent / BUDGET_FILE


def _all_budgets(here: Session) -> dict[str, Path]:
    """Every budget that there is, by application.

    :raise UsageError: there is none.
    """
    names = load_catalogue(here.layout.apps).names
    found = {name: path for name in names if (path := here.layout.apps / name / BUDGET_FILE).exists()}
    if not found:
        raise UsageError("no application has a budget", hint="./x budget --app hello --update")
    return found


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


def text(app: str, comparison: Comparison, before: Budget) -> str:
    """How each number stands, a line each, and whether they can be compared exactly."""
    lines = [f"{app}: {'within' if comparison.ok else 'OVER'} its budget"]
    if not comparison.exact:
        lines += [f"  {line}" for line in comparison.tools]
        lines.append(f"  so {before.other_tools_percent:g} % more is tolerated: other tools make other numbers")
    lines += [f"  {'ok  ' if one.ok else 'OVER'} {one.explain()}" for one in comparison.verdicts]
    return "\n".join(lines)


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
        bytes=sizes_bytes,
        parts=parts,
        least_memory_mib=least_memory_mib,
        config=config,
        linux=linux,
        tools=tools,
    )


def _measure(here: Session, specimen: Specimen, budgeted: Budget | None, *, timeout_s: float) -> Measured:
    image = specimen.image
    (counted,) = count(here, specimen)
    size = sizes(here, image.folder, image.record["inputs"])
    files = {name: int(image.record["sizes"][name]) for name in ("vmlinux", "bzImage")}
    return measured_of(
        counted,
        sizes_bytes={"loaded": size.loaded, **files},
        parts=size.subsystems(2) if size.is_told_apart else {},
        config=parse_config((image.folder / ARTIFACTS["config"]).read_text(encoding="utf-8")),
        least_memory_mib=_least_memory(here, specimen, budgeted, timeout_s=timeout_s),
        linux=image.record["kernel"]["version"],
        tools={**tool_versions(), "qemu": version_line()},
    )


def _least_memory(here: Session, specimen: Specimen, budgeted: Budget | None, *, timeout_s: float) -> int:
    """Bisected; one boot is enough when what is budgeted still is."""
    low = LEAST_MEMORY_MIB
    if budgeted is not None and budgeted.least_memory_mib is not None:
        engine = native_engine("auto", here.layout.cache)
        enough = specimen.with_memory(budgeted.least_memory_mib)
        if failure_with(here, enough, engine, timeout_s=timeout_s) is None:
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
        machine=plan.machine.spec.target,
        memory_mib=specimen.memory_mib,
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


def _record(here: Session, specimen: Specimen, measured: Measured) -> Record:
    return Record(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=_revision(here.layout.project),
        app=specimen.manifest.name,
        profile=specimen.plan.profile.name,
        machine=specimen.plan.machine.spec.target,
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
