# SPDX-License-Identifier: GPL-2.0-only
"""One search for an application: from its plan to the smallest configuration."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.core.errors import ConfigError
from unilinux.core.events import Progress
from unilinux.core.files import digest_bytes, digest_file
from unilinux.core.hosttools import tool_versions
from unilinux.image.pipeline import Contents, Pipeline
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.variation import Variation
from unilinux.kconfig.varying import Varying, varying
from unilinux.kernel.source import KernelTree
from unilinux.link.carrier import Cargo
from unilinux.minimise.boot_test import ImageBootTest
from unilinux.minimise.candidates import kept_here, option_symbols, options, removals
from unilinux.minimise.incremental import Built, built, incremental_builder
from unilinux.minimise.journal import Journal
from unilinux.minimise.profile_toml import Finding, profile_files
from unilinux.minimise.shrink import Shrunk, shrink
from unilinux.minimise.trials import Baseline, KernelTrials, known_baseline
from unilinux.observe.usage import SymbolUsage
from unilinux.vm.engine import Engine

# What the journal's results depend on besides the code: raised when the checks become stricter, or what is measured.
_RULES = 3
# The application that sleeps on a timer and ends, which tests that the clock ticks.
_CLOCK_APP = "hello"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to minimise, and how long it may take (seconds; None: to the end).

    ``folder`` has the builder and the journal, and keeps them between runs. ``usage`` is what ``./x observe``
    saw, by symbol: symbols that system calls use aren't taken away together with the others.
    """

    folder: Path
    plan: Plan
    pipeline: Pipeline
    engine: Engine
    progress: Progress
    keep: Mapping[str, str]
    usage: Mapping[str, SymbolUsage] = field(default_factory=dict)
    budget_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found, as a variation too, the original's results, and the number of trials in this run."""

    finding: Finding
    variation: Variation
    baseline: Baseline
    made: int


def minimise(job: Job) -> Outcome:
    """Search. What was tried before isn't tried again, so an interrupted run continues where it was.

    :raise VerifyError: verification fails or is flaky on the original.
    :raise HostError: the disk is full, or the host lacks something.
    :raise UniLinuxError: as building the original does.
    """
    plan, pipeline = job.plan, job.pipeline
    plan = plan.forwarding(plan.app.manifest.run.ports)
    deadline = None if job.budget_s is None else time.monotonic() + job.budget_s
    tree = pipeline.tree(plan.kernel)
    contents = pipeline.contents(plan)
    clock = _clock(job)
    tick = clock.initrd if clock else None
    syscalls = sorted({*contents.kept, *(clock.kept if clock else ())})
    original = pipeline.config(plan)
    context = _context(job, tree, contents.cargo.digest, tick, syscalls)
    boot_test = ImageBootTest(plan=plan, engine=job.engine, evidence=job.folder / "boots", tick=tick)
    with (
        incremental_builder(
            job.folder / "builder",
            tree,
            contents.cargo.files,
            seed=lambda: pipeline.objects(plan, tree, original),
            progress=job.progress,
            syscalls=syscalls,
            compiler_cache=pipeline.layout.compiler_cache,
        ) as builder,
        varying(tree.path, plan.layers(pipeline.layout)) as variations,
    ):
        journal = Journal(job.folder / "journal.jsonl", context)  # read under the builder's lock
        baseline = known_baseline(
            job.folder / "baseline.json",
            f"{context} {original.digest}",
            lambda: _original(job, tree, original, contents.cargo, syscalls),
            boot_test,
            job.progress,
        )
        trials = KernelTrials(variations, builder, boot_test, baseline=baseline, journal=journal, progress=job.progress)
        shrunk = _shrink(
            job, variations, trials, baseline, lambda: deadline is not None and time.monotonic() > deadline
        )
        if shrunk.minimal:
            builder.discard()  # every trial is in the journal: nothing is left to build
        variation = trials.variation(shrunk.changes)
        keep = kept_here(variations.settings(shrunk.changes), variation.resolved, job.keep)
    finding = Finding(
        plan=job.plan,
        resolved=variation.resolved,
        shrunk=shrunk,
        keep=keep,
        trials=len(journal),
        usage=job.usage,
    )
    return Outcome(finding=finding, variation=variation, baseline=baseline, made=trials.made)


def _shrink(
    job: Job, variations: Varying, trials: KernelTrials, baseline: Baseline, out_of_time: Callable[[], bool]
) -> Shrunk:
    files = profile_files(job.plan)
    original = variations.original
    return shrink(
        trials,
        baseline.result,
        removals(variations.settings(), original, removable_from=files, keep=job.keep),
        options(original, _known(variations), removable_from=files, keep=job.keep),
        out_of_time=out_of_time,
        used=frozenset(name for name, one in job.usage.items() if one.is_called),
    )


def _original(job: Job, tree: KernelTree, config: Resolved, cargo: Cargo, syscalls: Sequence[int]) -> Built:
    """The original out of the store: so the builder doesn't compile what the first trial would compile differently."""
    objects = job.pipeline.objects(job.plan, tree, config)
    image = job.pipeline.link(tree, objects, cargo, syscalls)
    return built(image.vmlinux)


def _known(variations: Varying) -> frozenset[str]:
    """Those of the options' symbols that this kernel has, with values that they can have."""
    found = set()
    for symbol, value in option_symbols():
        try:
            variations.vary({symbol: value})
        except ConfigError:
            continue
        found.add(symbol)
    return frozenset(found)


def _clock(job: Job) -> Contents | None:
    """What tests the clock; None if the application itself does."""
    plan = job.plan
    if plan.app.manifest.name == _CLOCK_APP:
        return None
    request = Request(
        app=_CLOCK_APP,
        profile=plan.profile.name,
        target=plan.machine.spec.target,
        ring=plan.entry.ring,
        syscall=plan.entry.syscall,
        kernel=plan.kernel,
    )
    return job.pipeline.contents(make_plan(request, job.pipeline.layout))


def _context(job: Job, tree: KernelTree, files: str, tick: Path | None, syscalls: Sequence[int]) -> str:
    """A digest of everything that a result depends on, besides the configuration and the time-out."""
    plan = job.plan
    manifest = plan.app.manifest
    whole = {
        "rules": _RULES,
        "engine": job.engine.describe(),
        "tree": tree.output.digest,
        "tools": dict(tool_versions("gcc", "ld")),
        "files": files,
        "syscalls": list(syscalls),
        "tick": digest_file(tick) if tick else None,
        "checks": [check.model_dump(mode="json") for check in manifest.all_checks],
        "run": manifest.run.model_dump(mode="json"),
        "machine": plan.machine.describe(),
        "cmdline": list(plan.cmdline),
        "entry": [plan.entry.ring, plan.entry.syscall],
    }
    return digest_bytes(json.dumps(whole, sort_keys=True).encode())[:16]
