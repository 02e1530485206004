# SPDX-License-Identifier: GPL-2.0-only
"""A profile is written when it has passed every check, and not before."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unilinux.core.errors import ConfigError, VerifyError
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import Variation
from unilinux.minimise.boot_test import BootTestResult, ImageBootTest
from unilinux.minimise.profile_toml import Finding
from unilinux.minimise.publish import publish_profile
from unilinux.minimise.result import TrialResult
from unilinux.minimise.search import Job, Outcome
from unilinux.minimise.shrink import Shrunk
from unilinux.minimise.trials import Baseline

PROJECT = Path(__file__).parents[3]
RESULT = TrialResult(ok=True, loaded=2)


def resolved(value: str) -> Resolved:
    state = SymbolState(name="FUTEX", kind="bool", value=value, source=Source.ASKED)
    return Resolved(config=f"CONFIG_FUTEX={value}\n", kernel_version="6.12.117", symbols={"FUTEX": state})


class Pipeline:
    """Builds nothing; the configuration of any profile is ``written``."""

    def __init__(self, folder: Path, written: Resolved) -> None:
        (folder / "apps").symlink_to(PROJECT / "apps")
        (folder / "configs" / "profiles").mkdir(parents=True)
        for path in (PROJECT / "configs" / "profiles").glob("*.toml"):
            (folder / "configs" / "profiles" / path.name).write_text(path.read_text())
        self.layout = Layout(project=folder, cache=folder / "cache", build=folder / "build")
        self.written = written
        self.asked: list[Plan] = []

    def build(self, plan: Plan, *, variant: object, bzimage: bool) -> Any:
        assert bzimage  # the first: no trial has made one
        return SimpleNamespace(vmlinux=Path("vmlinux"), folder=Path("build/hello-tiny-minimal"))

    def config(self, plan: Plan) -> Resolved:
        self.asked.append(plan)
        return self.written


def job_of(pipeline: Pipeline) -> tuple[Job, Outcome]:
    plan = make_plan(Request(app="hello"), pipeline.layout)
    job = Job(
        folder=pipeline.layout.cache,
        plan=plan,
        pipeline=cast(Any, pipeline),
        engine=cast(Any, None),
        progress=Progress(NullSink()),
        keep={},
    )
    shrunk = Shrunk(changes={}, result=RESULT, taken={}, stays={}, minimal=True)
    finding = Finding(plan=plan, resolved=resolved("y"), shrunk=shrunk, keep={}, trials=1)
    baseline = Baseline(result=RESULT, may_say=frozenset(), must_say=frozenset(), timeout_s=10.0)
    return job, Outcome(
        finding=finding, variation=Variation(resolved=resolved("y"), changes=()), baseline=baseline, made=1
    )


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The failures of the boots to come, in turn; empty: they pass."""
    failures: list[str] = []

    def run(self: object, vmlinux: Path, *, timeout_s: float) -> BootTestResult:
        return BootTestResult(failure=failures.pop(0) if failures else "", said=frozenset(), seconds=1.0)

    monkeypatch.setattr(ImageBootTest, "run", run)
    return failures


def test_a_profile_that_holds_is_written(tmp_path: Path, boots: list[str]) -> None:
    pipeline = Pipeline(tmp_path, resolved("y"))
    path = publish_profile(*job_of(pipeline), evidence=lambda folder: folder / "runs")
    assert path == tmp_path / "configs/profiles/hello-minimal.toml"
    assert pipeline.asked[0].profile.name == "hello-minimal"


@pytest.mark.parametrize("old", [None, "schema = 1\n# the old one\n"], ids=["none before", "one before"])
def test_a_profile_that_makes_something_else_is_not_written(tmp_path: Path, boots: list[str], old: str | None) -> None:
    pipeline = Pipeline(tmp_path, resolved("n"))
    path = tmp_path / "configs/profiles/hello-minimal.toml"
    path.unlink(missing_ok=True)
    if old is not None:
        path.write_text(old)
    with pytest.raises(ConfigError, match="another configuration") as caught:
        publish_profile(*job_of(pipeline), evidence=lambda folder: folder / "runs")
    assert caught.value.details == ("FUTEX: y → n",)
    assert (path.read_text() if path.exists() else None) == old


def test_a_kernel_that_does_not_pass_is_not_written(tmp_path: Path, boots: list[str]) -> None:
    boots += ["", "http: refused"]
    pipeline = Pipeline(tmp_path, resolved("y"))
    path = tmp_path / "configs/profiles/hello-minimal.toml"
    path.unlink(missing_ok=True)
    with pytest.raises(VerifyError, match="boot 2 of 3"):
        publish_profile(*job_of(pipeline), evidence=lambda folder: folder / "runs")
    assert not path.exists()


def test_the_comparison_is_with_the_kernel_and_machine_that_were_searched(tmp_path: Path, boots: list[str]) -> None:
    pipeline = Pipeline(tmp_path, resolved("y"))
    job, outcome = job_of(pipeline)
    (tmp_path / "configs/kernels.toml").parent.mkdir(exist_ok=True)
    shutil.copy(PROJECT / "configs/kernels.toml", tmp_path / "configs")
    plan = make_plan(Request(app="hello", target="q35", kernel="6.1"), pipeline.layout)
    publish_profile(replace(job, plan=plan), outcome, evidence=lambda folder: folder / "runs")
    assert (pipeline.asked[0].machine.spec.target, pipeline.asked[0].kernel) == ("q35", "6.1")
