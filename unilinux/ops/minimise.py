# SPDX-License-Identifier: GPL-2.0-only
"""Minimising an application's kernel: the search, the profile, and what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.core.suggest import suggestion
from unilinux.image.request import Plan, Request, make_plan
from unilinux.link.initramfs import Initramfs
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.minimise.candidates import keep_list
from unilinux.minimise.publish import publish_profile
from unilinux.minimise.search import Job, Outcome
from unilinux.minimise.search import minimise as search
from unilinux.observe.observe import USAGE_FILE
from unilinux.observe.usage import SymbolUsage, Usage
from unilinux.ops.build import pipeline
from unilinux.ops.counting import count
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.image_under_test import ImageUnderTest, build_under_test
from unilinux.ops.memory import find_least_memory
from unilinux.ops.workshop import Workshop

_MEMORY_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an image costs. ``boot`` are the instructions up to ``stage``, since reset; memory in MiB."""

    symbols: int
    vmlinux: int
    bzimage: int
    stage: str
    boot: int
    memory_mib: int

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "symbols": self.symbols,
            "vmlinux_bytes": self.vmlinux,
            "bzimage_bytes": self.bzimage,
            "boot_instructions": {self.stage: self.boot},
            "least_memory_mib": self.memory_mib,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimised:
    """What the search found, the profile that was written, and what the image cost before and costs now."""

    plan: Plan
    outcome: Outcome
    path: Path
    before: Cost
    after: Cost

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        finding = self.outcome.finding
        return {
            "app": finding.plan.app.manifest.name,
            "from": finding.plan.profile.name,
            "profile": finding.name,
            "path": str(self.path),
            "minimal": finding.shrunk.minimal,
            "untried": list(finding.shrunk.untried),
            "trials": {"made": self.outcome.made, "known": finding.trials},
            "taken": dict(finding.shrunk.taken),
            "stays": dict(finding.shrunk.stays),
            "kept": dict(finding.keep),
            "before": self.before.document(),
            "after": self.after.document(),
        }


def minimise(
    here: Workshop,
    request: Request,
    *,
    keep: Sequence[str] = (),
    evidence: str = "",
    budget_s: float | None = None,
) -> Minimised:
    """Search, build and verify what was found, write it as a profile, and measure before and after.

    ``budget_s`` is the time after which the best so far is taken; None: when nothing more can be removed.

    :raise UsageError: a name or value that doesn't fit.
    :raise UniLinuxError: as building and booting do.
    """
    if budget_s is not None and budget_s < 0:
        raise UsageError("the time cannot be negative", hint="--budget-minutes 60, or 0 for as long as it takes")
    # A trial's clock test is unpacked over the files.
    plan = make_plan(request, here.layout).packed(Initramfs())
    job = Job(
        folder=here.layout.cache / "minimise" / plan.name,
        plan=_without_unused_calls(plan),
        pipeline=pipeline(here),
        engine=here.engine("auto"),
        progress=here.progress,
        usage=_usage(here, plan, evidence),
        keep=keep_list(_kept_by_user(here, plan, keep)),
        budget_s=budget_s or None,
    )
    with here.progress.step("minimise", f"minimising {plan.name}"):
        outcome = search(job)
    path = publish_profile(job, outcome, evidence=lambda folder: evidence_folder(folder, "proof"))
    return Minimised(
        plan=plan,
        outcome=outcome,
        path=path,
        before=cost(here, build_under_test(here, request, bzimage=True)),
        after=cost(here, build_under_test(here, Request(app=request.app, profile=outcome.finding.name), bzimage=True)),
    )


def _without_unused_calls(plan: Plan) -> Plan:
    """The plan whose kernel has no system call that the image's programs can't make: that needs no trial."""
    return replace(plan, entry=replace(plan.entry, kept="used"))


def _usage(here: Workshop, plan: Plan, evidence: str) -> Mapping[str, SymbolUsage]:
    """What ``--evidence`` names, else what ``./x observe`` left beside the image, else nothing."""
    if evidence:
        return Usage.read(Path(evidence)).symbols
    usual = here.layout.build / plan.name / USAGE_FILE
    return Usage.read(usual).symbols if usual.is_file() else {}


def _kept_by_user(here: Workshop, plan: Plan, keep: Sequence[str]) -> dict[str, str]:
    """What ``--keep`` adds.

    :raise UsageError: a symbol that isn't on: there is nothing to keep.
    """
    if not keep:
        return {}
    resolved = pipeline(here).config(plan)
    for symbol in keep:
        if resolved.value(symbol) in ("n", ""):
            raise UsageError(
                f"--keep {symbol}: it is not on in {plan.name}{suggestion(symbol, resolved.symbols)}",
                hint=f"./x config --app {plan.app.option} --profile {plan.profile.option} lists what is",
            )
    return dict.fromkeys(keep, "asked for by --keep")


def cost(here: Workshop, subject: ImageUnderTest) -> Cost:
    """Measure an image: one counted boot, its bytes, and the least memory.

    :raise UniLinuxError: as the measurements do.
    """
    (counted,) = count(here, subject)
    stage = "ready" if counted.instructions("ready") is not None else "main"
    least = find_least_memory(here, subject, low=LEAST_MEMORY_MIB, high=subject.memory_mib, timeout_s=_MEMORY_TIMEOUT_S)
    record = subject.record
    return Cost(
        symbols=record["config"]["symbols"],
        vmlinux=record["artifacts"]["vmlinux"]["size"],
        bzimage=record["artifacts"]["bzImage"]["size"],
        stage=stage,
        boot=counted.instructions(stage) or 0,
        memory_mib=least.mib,
    )
