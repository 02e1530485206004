"""Trials of configurations: the baseline first, then each variation at most once."""

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
from unilinux.minimise.bench import Bench, Built
from unilinux.minimise.journal import Journal
from unilinux.minimise.proof import Proof, Prover
from unilinux.minimise.verdict import Verdict

BASELINE_RUNS = 3
# Before it is known how long a boot takes here.
_PATIENCE_S = 60.0
# A boot may take so many times as long as the slowest of the baseline's: the host does other things, too.
_SLACK = 4
_LEAST_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the application does in the kernel that it starts from.

    ``may_say`` are the lines that one of the runs had on its console, ``must_say``
    those that all had; ``timeout_s`` is what each check of a trial gets.
    """

    verdict: Verdict
    may_say: frozenset[str]
    must_say: frozenset[str]
    timeout_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {
            "verdict": self.verdict.to_json(),
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
            verdict=Verdict.from_json(data["verdict"]),
            may_say=frozenset(data["may_say"]),
            must_say=frozenset(data["must_say"]),
            timeout_s=float(data["timeout_s"]),
        )


def known_baseline(path: Path, key: str, find: Callable[[], Baseline], progress: Progress) -> Baseline:
    """The baseline that ``path`` keeps for ``key``, else what ``find`` finds, which is kept then.

    :raise HostError: the disk is full. What ``find`` raises passes through.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["key"] == key:
            with progress.step("baseline", "building and verifying the original") as step:
                found = Baseline.from_json(data["baseline"])
                step.cached()
            return found
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    found = find()
    write_atomically(path, json.dumps({"key": key, "baseline": found.to_json()}, indent=1) + "\n")
    return found


def find_baseline(build: Callable[[], Built], prover: Prover, progress: Progress) -> Baseline:
    """Build the original, as ``build`` does, and verify it three times.

    :raise VerifyError: verification fails, always or sometimes: there is nothing to go by.
    :raise BuildError: it can't even be built.
    :raise HostError: the host lacks something.
    """
    began = time.monotonic()
    with progress.step("baseline", f"building and verifying the original, {BASELINE_RUNS} times") as step:
        built = build()
        proofs = []
        for number in range(1, BASELINE_RUNS + 1):
            step.detail(f"boot {number} of {BASELINE_RUNS}")
            proofs.append(prover.prove(built.vmlinux, timeout_s=_PATIENCE_S))
    _require(proofs)
    slowest = max(proof.seconds for proof in proofs)
    return Baseline(
        verdict=Verdict(ok=True, sizes=built.sizes, seconds=time.monotonic() - began),
        may_say=frozenset[str]().union(*(proof.said for proof in proofs)),
        must_say=proofs[0].said.intersection(*(proof.said for proof in proofs)),
        timeout_s=max(_LEAST_TIMEOUT_S, _SLACK * slowest),
    )


def _require(proofs: list[Proof]) -> None:
    failures = [proof.failure for proof in proofs if not proof.ok]
    if not failures:
        return
    if len(failures) == len(proofs):
        raise VerifyError(
            "verification fails on the kernel to start from: there is nothing to minimise",
            details=[failures[0]],
            hint="mend it first: ./x verify shows what fails",
        )
    raise VerifyError(
        f"verification is flaky: it failed in {len(failures)} of {len(proofs)} boots of the same kernel, "
        "so that a failure would say nothing about a symbol",
        details=list(dict.fromkeys(failures)),
        hint="make it reliable first: ./x verify, several times",
    )


class KernelTrials:
    """Trials of variations of one configuration; see :class:`unilinux.minimise.verdict.Trials`."""

    def __init__(
        self,
        varying: Varying,
        bench: Bench,
        prover: Prover,
        *,
        baseline: Baseline,
        journal: Journal,
        progress: Progress,
    ) -> None:
        self._varying = varying
        self._bench = bench
        self._prover = prover
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

    def attempt(self, changes: Mapping[str, str], label: str) -> Verdict:
        """Build, boot and verify, unless the journal knows what comes of it."""
        resolved = self.variation(changes).resolved
        with self._progress.step("trial", f"trying {label}") as step:
            verdict = self._journal.find(resolved.digest)
            if verdict is None:
                began = time.monotonic()
                verdict = replace(self._find_out(resolved.config), seconds=round(time.monotonic() - began, 1))
                self._journal.add(resolved.digest, verdict, label)
                self.made += 1
            else:
                step.cached()
            sizes = f"{verdict.sizes.bzimage:,} bytes" if verdict.sizes else "not built"
            step.detail(f"{sizes}: {verdict.reason or 'passes'}")
        self._progress.note(f"{label}: {verdict.reason or f'passes with {sizes}'}")
        return verdict

    def _find_out(self, config: str) -> Verdict:
        try:
            built = self._bench.build(config)
        except (BuildError, ConfigError) as error:
            said = next(iter(error.details), "")
            return Verdict(ok=False, reason=f"it can't be built: {said or error.message}")
        failure = self._failure(self._prover.prove(built.vmlinux, timeout_s=self._baseline.timeout_s))
        if failure:
            # A host that was busy with something else must not decide about a symbol.
            failure = self._failure(self._prover.prove(built.vmlinux, timeout_s=self._baseline.timeout_s))
        return Verdict(ok=not failure, reason=failure, sizes=built.sizes)

    def _failure(self, proof: Proof) -> str:
        if not proof.ok:
            return proof.failure
        new = sorted(proof.said - self._baseline.may_say)
        if new:
            return f"the console says what it did not say before: {new[0]!r}"
        missing = sorted(self._baseline.must_say - proof.said)
        return f"the console no longer says {missing[0]!r}" if missing else ""
