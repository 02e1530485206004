# SPDX-License-Identifier: GPL-2.0-only
"""Trials of configurations: the baseline first, then each variation once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.core.errors import BuildError, ConfigError, VerifyError
from unilinux.core.events import Progress
from unilinux.core.files import write_atomically
from unilinux.kconfig.variation import Variation
from unilinux.kconfig.varying import Varying
from unilinux.minimise.boot_test import BootTest, BootTestResult
from unilinux.minimise.incremental import Built, KernelBuilder
from unilinux.minimise.journal import Journal
from unilinux.minimise.result import TrialResult

BASELINE_RUNS = 3
# Until it is known how long a boot takes here.
_PATIENCE_S = 60.0
# A boot may take this many times as long as the slowest of the baseline's, since the host does other things, too.
_SLACK = 4
_LEAST_TIMEOUT_S = 10.0
# A trial that failed is booted once more with so many times the time.
_SECOND_CHANCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the application does on the kernel that the search starts from.

    ``may_say`` are the lines that one of the runs had on its console, ``must_say``
    those that all had; ``timeout_s`` is what each check of a trial gets.
    """

    result: TrialResult
    may_say: frozenset[str]
    must_say: frozenset[str]
    timeout_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {
            "result": self.result.to_json(),
            "may_say": sorted(self.may_say),
            "must_say": sorted(self.must_say),
            "timeout_s": self.timeout_s,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Baseline:
        """The value that :meth:`to_json` was made from.

        :raise KeyError: it lacks a value.
        """
        return cls(
            result=TrialResult.from_json(data["result"]),
            may_say=frozenset(data["may_say"]),
            must_say=frozenset(data["must_say"]),
            timeout_s=float(data["timeout_s"]),
        )


def known_baseline(
    path: Path, key: str, build: Callable[[], Built], boot_test: BootTest, progress: Progress
) -> Baseline:
    """The baseline that ``path`` keeps for ``key``, else that of :func:`find_baseline`, which is kept then.

    How fast this host is today isn't kept: a known baseline is booted once, and gets more time if that took longer.

    :raise HostError: the disk is full. What :func:`find_baseline` raises passes through.
    """
    known = _kept_baseline(path, key)
    if known is None:
        found = find_baseline(build, boot_test, progress)
        write_atomically(path, json.dumps({"key": key, "baseline": found.to_json()}, indent=1) + "\n")
        return found
    with progress.step("baseline", "verifying the original once more"):
        boot = boot_test.run(build().vmlinux, timeout_s=max(_PATIENCE_S, known.timeout_s))
    _require([boot])
    return replace(known, timeout_s=max(known.timeout_s, _SLACK * boot.seconds))


def _kept_baseline(path: Path, key: str) -> Baseline | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Baseline.from_json(data["baseline"]) if data["key"] == key else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def find_baseline(build: Callable[[], Built], boot_test: BootTest, progress: Progress) -> Baseline:
    """Build the original, as ``build`` does, and verify it three times.

    :raise VerifyError: verification fails, always or sometimes, so that trials would say nothing.
    :raise BuildError: it can't be built.
    :raise HostError: the host lacks something.
    """
    began = time.monotonic()
    with progress.step("baseline", f"building and verifying the original, {BASELINE_RUNS} times") as step:
        built = build()
        boots = []
        for number in range(1, BASELINE_RUNS + 1):
            step.detail(f"boot {number} of {BASELINE_RUNS}")
            boots.append(boot_test.run(built.vmlinux, timeout_s=_PATIENCE_S))
    _require(boots)
    slowest = max(boot.seconds for boot in boots)
    return Baseline(
        result=TrialResult(ok=True, loaded=built.loaded, seconds=time.monotonic() - began),
        may_say=frozenset[str]().union(*(boot.said for boot in boots)),
        must_say=boots[0].said.intersection(*(boot.said for boot in boots)),
        timeout_s=max(_LEAST_TIMEOUT_S, _SLACK * slowest),
    )


def _require(boots: list[BootTestResult]) -> None:
    failures = [boot.failure for boot in boots if not boot.ok]
    if not failures:
        return
    if len(failures) == len(boots):
        raise VerifyError(
            "verification fails on the kernel to start from, so there is nothing to minimise",
            details=[failures[0]],
            hint="fix it first: ./x verify shows what fails",
        )
    raise VerifyError(
        f"verification is flaky: it failed in {len(failures)} of {len(boots)} boots of the same kernel, "
        "so that a failure would say nothing about a symbol",
        details=list(dict.fromkeys(failures)),
        hint="make it reliable first: run ./x verify several times",
    )


class KernelTrials:
    """Trials of variations of one configuration; see :class:`unilinux.minimise.result.Trials`."""

    def __init__(
        self,
        varying: Varying,
        builder: KernelBuilder,
        boot_test: BootTest,
        *,
        baseline: Baseline,
        journal: Journal,
        progress: Progress,
    ) -> None:
        self._varying = varying
        self._builder = builder
        self._boot_test = boot_test
        self._baseline = baseline
        self._journal = journal
        self._progress = progress
        self._variations: dict[frozenset[tuple[str, str]], Variation] = {}
        self.made = 0  # trials of this run, without those that the journal knew

    def variation(self, changes: Mapping[str, str]) -> Variation:
        """The configuration with these changes."""
        key = frozenset(changes.items())
        if key not in self._variations:
            self._variations[key] = self._varying.vary(changes)
        return self._variations[key]

    def effect(self, changes: Mapping[str, str]) -> str:
        """The digest of its .config."""
        return self.variation(changes).resolved.digest

    def refused(self, changes: Mapping[str, str], name: str) -> str:
        """Why Kconfig doesn't allow a change."""
        return next((one.reason for one in self.variation(changes).refused if one.symbol == name), "")

    def attempt(self, changes: Mapping[str, str], label: str) -> TrialResult:
        """Build, boot and verify, unless the journal knows the result."""
        resolved = self.variation(changes).resolved
        with self._progress.step("trial", f"trying {label}") as step:
            result = self._journal.find(resolved.digest)
            if result is None or self._had_too_little_time(result):
                began = time.monotonic()
                result = replace(self._find_out(resolved.config), seconds=round(time.monotonic() - began, 1))
                self._journal.add(resolved.digest, result, label)
                self.made += 1
            else:
                step.cached()
            size = "not built" if result.loaded is None else f"{result.loaded:,} bytes"
            step.detail(f"{size}: {result.reason or 'passes'}")
        self._progress.note(f"{label}: {result.reason or f'passes with {size}'}")
        return result

    def _had_too_little_time(self, result: TrialResult) -> bool:
        """Whether a failure may come from a host that was faster, or less busy, when the deadline was set."""
        return not result.ok and 0 < result.timeout_s < self._baseline.timeout_s

    def _find_out(self, config: str) -> TrialResult:
        try:
            built = self._builder.build(config)
        except (BuildError, ConfigError) as error:
            said = next(iter(error.details), "")
            return TrialResult(ok=False, reason=f"it can't be built: {said or error.message}")
        timeout_s = self._baseline.timeout_s
        failure = self._failure(self._boot_test.run(built.vmlinux, timeout_s=timeout_s))
        if failure:
            # The host may have been busy: that must not decide about a symbol.
            timeout_s *= _SECOND_CHANCE
            failure = self._failure(self._boot_test.run(built.vmlinux, timeout_s=timeout_s))
        return TrialResult(ok=not failure, reason=failure, loaded=built.loaded, timeout_s=timeout_s)

    def _failure(self, boot: BootTestResult) -> str:
        if not boot.ok:
            return boot.failure
        new = sorted(boot.said - self._baseline.may_say)
        if new:
            return f"the console says what it did not say before: {new[0]!r}"
        missing = sorted(self._baseline.must_say - boot.said)
        return f"the console no longer says {missing[0]!r}" if missing else ""
