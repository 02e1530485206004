# SPDX-License-Identifier: GPL-2.0-only
"""Minimising on real kernels: interrupted, gone on with, stopped by its budget, and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boot.conftest import PROJECT, Workshop
from tests.boot.test_applications import invoke_json, proof
from unilinux.core.events import Event, NullSink, Progress, StepFinished
from unilinux.image.request import Request, make_plan
from unilinux.minimise.candidates import keep_list, option_symbols
from unilinux.minimise.profile_toml import profile_text
from unilinux.minimise.search import Job, minimise
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(3600)]

# hello does not need them, they touch few objects, and the linker can't leave them out: initcalls refer to them.
PROFILE = """
schema = 1
summary = "tiny, with something that hello doesn't need"
extends = "tiny"

[kernel]
SHMEM = "y"
INOTIFY_USER = "y"
"""


class Interrupting:
    """A sink that presses Ctrl-C when a trial has ended."""

    def emit(self, event: Event) -> None:
        if isinstance(event, StepFinished) and event.name == "trial":
            raise KeyboardInterrupt


@pytest.fixture
def job(workshop: Workshop, tmp_path: Path) -> Job:
    (workshop.layout.profiles / "fuller.toml").write_text(PROFILE)
    # Without the options, each of which would compile the whole kernel.
    options: Mapping[str, str] = {symbol: "not in this test" for symbol, _ in option_symbols()}
    return Job(
        folder=tmp_path / "minimise",
        plan=make_plan(Request(app="hello", profile="fuller"), workshop.layout),
        pipeline=workshop.pipeline(),
        engine=NativeQemu(Accelerator(name="tcg", reason="tests")),
        progress=Progress(NullSink()),
        keep=keep_list(options),
    )


def test_an_interrupted_search_goes_on_where_it_was(job: Job, workshop: Workshop) -> None:
    nothing = minimise(replace(job, budget_s=0.0))
    assert not nothing.finding.shrunk.minimal
    assert {"SHMEM", "INOTIFY_USER"} <= set(nothing.finding.shrunk.untried)
    assert nothing.made == 0

    with pytest.raises(KeyboardInterrupt):
        minimise(replace(job, progress=Progress(Interrupting())))
    tried = [json.loads(line)["config"] for line in (job.folder / "journal.jsonl").read_text().splitlines()]
    assert len(tried) == 1

    found = minimise(job)
    tried = [json.loads(line)["config"] for line in (job.folder / "journal.jsonl").read_text().splitlines()]
    assert len(tried) == len(set(tried))
    assert found.made == len(tried) - 1  # what was known wasn't tried again
    assert found.finding.shrunk.minimal
    assert {"SHMEM", "INOTIFY_USER"} <= found.finding.shrunk.taken.keys()
    assert found.finding.shrunk.result.loaded is not None
    assert found.baseline.result.loaded is not None
    assert found.finding.shrunk.result.loaded < found.baseline.result.loaded
    assert not list(job.folder.rglob("bzImage"))  # no trial needs one

    path = workshop.layout.profiles / f"{found.finding.name}.toml"
    path.write_text(profile_text(found.finding))
    written = job.pipeline.config(make_plan(Request(app="hello", profile=path.stem), workshop.layout))
    assert written.config == found.finding.resolved.config


MINIMAL = sorted(path.stem for path in (PROJECT / "configs/profiles").glob("*-minimal.toml"))


@pytest.mark.parametrize("profile", MINIMAL)
def test_the_profiles_that_were_found_still_pass(profile: str, tmp_path: Path) -> None:
    app = profile.removesuffix("-minimal")
    found = proof(app, profile, tmp_path / "evidence")
    assert found.ok, found.failure
    answer = invoke_json("verify", "--app", app, "--profile", profile, "--accel", "tcg")
    assert answer["ok"]
    usual = invoke_json("build", "--app", app)
    assert answer["image"]["sizes"]["vmlinux"] < usual["sizes"]["vmlinux"]
    assert answer["image"]["config"]["symbols"] < usual["config"]["symbols"]
