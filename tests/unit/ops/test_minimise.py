# SPDX-License-Identifier: GPL-2.0-only
"""What minimising answers, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.ops.measured import HERE
from unilinux.cli.text.minimise import minimised_text
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.request import Request, make_plan
from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import Variation
from unilinux.minimise.profile_toml import Finding
from unilinux.minimise.result import TrialResult
from unilinux.minimise.search import Job, Outcome
from unilinux.minimise.shrink import Shrunk
from unilinux.minimise.trials import Baseline
from unilinux.ops import minimise as task
from unilinux.ops.minimise import Cost, Minimised

PROJECT = Path(__file__).parents[3]
RESULT = TrialResult(ok=True, loaded=6_000_000)
RESOLVED = Resolved(
    config="",
    kernel_version="6.12.117",
    symbols={"FUTEX": SymbolState(name="FUTEX", kind="bool", value="y", source=Source.ASKED)},
)


def outcome(*, minimal: bool) -> Outcome:
    plan = make_plan(Request(app="hello"), Layout(project=PROJECT, cache=PROJECT / "none", build=PROJECT / "build"))
    untried = () if minimal else ("FUTEX", "EPOLL")
    shrunk = Shrunk(
        changes={"LOG_BUF_SHIFT": "12"},
        result=RESULT,
        taken={"LOG_BUF_SHIFT": "LOG_BUF_SHIFT=12"},
        stays={},
        minimal=minimal,
        untried=untried,
    )
    return Outcome(
        finding=Finding(plan=plan, resolved=RESOLVED, shrunk=shrunk, keep={"BUG": "why"}, trials=20),
        variation=Variation(resolved=RESOLVED, changes=()),
        baseline=Baseline(result=RESULT, may_say=frozenset(), must_say=frozenset(), timeout_s=10.0),
        made=12,
    )


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The search, the build and the measurements, each with a made-up result."""
    jobs: list[Job] = []

    def search(job: Job) -> Outcome:
        jobs.append(job)
        return outcome(minimal=job.budget_s is None)

    costs = [
        Cost(symbols=467, vmlinux=8_000_000, bzimage=1_225_728, stage="main", boot=5_600_000, memory_mib=15),
        Cost(symbols=460, vmlinux=6_000_000, bzimage=899_584, stage="main", boot=7_600_000, memory_mib=13),
    ]
    monkeypatch.setattr(task, "search", search)
    written = PROJECT / "configs/profiles/hello-minimal.toml"
    monkeypatch.setattr(task, "publish_profile", lambda job, found, evidence: written)
    monkeypatch.setattr(task, "build_under_test", lambda here, request, bzimage: request)
    monkeypatch.setattr(task, "cost", lambda here, specimen: costs.pop(0))
    return jobs


def minimised(app: str, budget_s: float | None = None) -> Minimised:
    return task.minimise(HERE, Request(app=app), budget_s=budget_s)


def test_before_and_after_stand_side_by_side(fakes: list[Job]) -> None:
    out = minimised_text(minimised("hello"))
    assert "tiny" in out.splitlines()[0]
    assert "hello-minimal" in out.splitlines()[0]
    assert out.splitlines()[3].split() == ["bzImage,", "bytes", "1,225,728", "899,584"]
    assert "12 trials in this run, 20 in all" in out
    assert "./x build --app hello --profile hello-minimal" in out
    assert "NOT MINIMAL" not in out
    assert fakes[0].keep["SYN_COOKIES"]


def test_system_calls_that_are_never_made_are_left_out_of_the_trials_too(fakes: list[Job]) -> None:
    minimised("nginx")
    assert fakes[0].plan.profile.name == "server"
    assert fakes[0].plan.entry.kept == "used"


def test_time_that_was_up_is_said_with_how_to_go_on(fakes: list[Job]) -> None:
    found = minimised("hello", budget_s=120)
    assert fakes[0].budget_s == 120
    assert "NOT MINIMAL YET: the time was up before FUTEX EPOLL; the same command goes on" in minimised_text(found)


def test_json(fakes: list[Job]) -> None:
    answer = json.loads(json.dumps(minimised("hello", budget_s=120).document()))
    assert (answer["app"], answer["from"], answer["profile"]) == ("hello", "tiny", "hello-minimal")
    assert (answer["minimal"], answer["untried"]) == (False, ["FUTEX", "EPOLL"])
    assert answer["before"]["boot_instructions"] == {"main": 5_600_000}
    assert answer["after"]["least_memory_mib"] == 13
    assert answer["kept"] == {"BUG": "why"}


def test_keeping_what_is_not_on_is_refused(fakes: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    class Configured:
        def config(self, plan: object) -> Resolved:
            return RESOLVED

    monkeypatch.setattr(task, "pipeline", lambda here: Configured())
    with pytest.raises(UsageError) as caught:
        task.minimise(HERE, Request(app="hello"), keep=("FUTX",))
    assert "--keep FUTX: it is not on in hello-tiny; did you mean 'FUTEX'?" in caught.value.message
    assert fakes == []
