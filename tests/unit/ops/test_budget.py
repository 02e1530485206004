# SPDX-License-Identifier: GPL-2.0-only
"""Budgets: the task's order of work and its answers, with nothing built and nothing booted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.ops.measured import workshop
from unilinux.cli.text.budget import comparison_text
from unilinux.core.errors import CheckError, ManifestError, UsageError
from unilinux.core.layout import Layout
from unilinux.image.request import Request, make_plan
from unilinux.measure.boot.stages import Cost, Stage, Stages
from unilinux.measure.budget.budget import Measured, read_budget
from unilinux.measure.budget.comparison import compare
from unilinux.measure.budget.history import read_history
from unilinux.measure.memory.least import LeastMemory
from unilinux.measure.size.size import Size
from unilinux.ops import budget as task
from unilinux.ops.workshop import Workshop

PROJECT = Path(__file__).parents[3]
BOOT = Stages(
    stages=(Stage("firmware", 5_000, 5_000), Stage("pid1", 5_000_000, 4_995_000), Stage("exit", 5_100_000, 100_000)),
    initcalls=(Cost("init", 900, "device"), Cost("init", 100, "late"), Cost("pty_init", 500, "device")),
    functions=(),
    executed=(),
    total=5_100_000,
    vcpus=(5_100_000,),
)


class Bench:
    """What the image costs; ``asked`` is how its memory was looked for."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.boot = BOOT
        self.bzimage = 1_000_000
        self.least_mib = 15
        self.gcc = "gcc 12.2.0"
        self.size = Size(
            loaded=5_000_000, zeroed=0, sections={}, objects={"net/ipv4/tcp.o": 70_000, "mm/slub.o": 9_000}, symbols={}
        )
        self.asked: list[str] = []

    @property
    def file(self) -> Path:
        return self.project / "apps/hello/budget.toml"

    def run(self, *apps: str, update: bool = False) -> task.Budgets:
        self.asked.clear()
        layout = Layout(project=self.project, cache=self.project / "cache", build=self.project / "build")
        return task.hold_budgets(workshop(layout), apps, update=update, timeout_s=1)

    def under_test(self, here: Workshop, request: Request, *, bzimage: bool) -> object:
        assert bzimage  # its size is budgeted
        plan = make_plan(request, here.layout)
        folder = self.project / "image"
        folder.mkdir(exist_ok=True)
        (folder / "config").write_text("CONFIG_64BIT=y\n")
        record = {
            "profile": plan.profile.name,
            "inputs": {},
            "sizes": {"vmlinux": 9_000_000, "bzImage": self.bzimage},
            "kernel": {"version": "6.12.117"},
        }
        made = SimpleNamespace(folder=folder, record=record, machine=plan.machine, manifest=plan.app.manifest)
        made.memory_mib = request.memory_mib or 128
        made.with_memory = lambda mib: SimpleNamespace(memory_mib=mib)
        return made

    def failure(self, here: object, it: Any, accelerator: object, *, timeout_s: float) -> str | None:
        self.asked.append(f"with {it.memory_mib}")
        return None if it.memory_mib >= self.least_mib else "too little"

    def bisect(self, here: object, it: object, *, low: int, high: int, timeout_s: float) -> LeastMemory:
        self.asked.append(f"from {low} to {high}")
        return LeastMemory(mib=self.least_mib, below=None, tries=())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for folder in ("apps/hello", "apps/lua", "configs"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("budget.toml"))
    made = Bench(tmp_path)
    monkeypatch.setattr(task, "build_under_test", made.under_test)
    monkeypatch.setattr(task, "count", lambda here, it: (made.boot,))
    monkeypatch.setattr(task, "sizes", lambda here, folder, inputs: made.size)
    monkeypatch.setattr(task, "tool_versions", lambda *_: {"gcc": made.gcc, "ld": "ld 2.40"})
    monkeypatch.setattr(task, "version_line", lambda: "QEMU 7.2")
    monkeypatch.setattr(task, "failure_with", made.failure)
    monkeypatch.setattr(task, "find_least_memory", made.bisect)
    return made


def test_without_a_budget_the_way_to_one_is_told(bench: Bench) -> None:
    with pytest.raises(UsageError) as caught:
        bench.run("hello")
    assert caught.value.hint == "./x budget --app hello --update"
    assert not bench.file.exists()


def test_an_update_writes_what_was_measured(bench: Bench) -> None:
    bench.run("hello", update=True)
    written = read_budget(bench.file)
    assert (written.profile, written.machine, written.memory_mib) == ("tiny", "microvm", 128)
    assert written.stages == {"firmware": 5_000, "pid1": 4_995_000}
    assert written.initcalls == {"init": 1_000, "pty_init": 500}
    assert written.bytes == {"loaded": 5_000_000, "vmlinux": 9_000_000, "bzImage": 1_000_000}
    assert written.config == {"64BIT": "y"}
    assert written.least_memory_mib == 15
    assert written.parts == {"net/ipv4": 70_000, "mm": 9_000}
    assert written.linux == "6.12.117"
    assert written.tools == {"gcc": "gcc 12.2.0", "ld": "ld 2.40", "qemu": "QEMU 7.2"}
    assert bench.asked == ["from 4 to 128"]


def test_an_unchanged_image_is_within_it_after_one_boot_for_its_memory(bench: Bench) -> None:
    bench.run("hello", update=True)
    found = bench.run("hello")
    found.require()
    (hello,) = json.loads(json.dumps(found.document()))["budgets"]
    assert hello["ok"]
    assert hello["exact"]
    assert hello["stages"]["pid1"] == 4_995_000
    assert hello["least_memory_mib"] == 15
    assert bench.asked == ["with 15"]


def test_growth_fails_and_is_explained(bench: Bench) -> None:
    bench.run("hello", update=True)
    bench.bzimage, bench.least_mib = 1_050_000, 16
    found = bench.run("hello")
    assert not found.document()["budgets"][0]["ok"]
    with pytest.raises(CheckError) as caught:
        found.require()
    words = " ".join(caught.value.details)
    assert "bzImage grew by 50,000 bytes" in words
    assert "least memory grew by 1 MiB" in words
    assert bench.asked == ["with 15", "from 16 to 128"]


def test_an_update_keeps_the_tolerances_that_were_chosen(bench: Bench) -> None:
    bench.run("hello", update=True)
    text = bench.file.read_text().replace("tolerance_bytes = 16384", "tolerance_bytes = 77")
    bench.file.write_text(text)
    bench.bzimage = 2_000_000
    bench.run("hello", update=True)
    assert read_budget(bench.file).tolerance_bytes == 77
    assert read_budget(bench.file).bytes["bzImage"] == 2_000_000


def test_a_budget_of_another_schema_is_not_overwritten(bench: Bench) -> None:
    bench.file.write_text("schema = 2\n")
    with pytest.raises(ManifestError) as caught:
        bench.run("hello", update=True)
    words = " ".join((caught.value.message, *caught.value.details))
    assert "budget.toml" in words
    assert "this UniLinux reads schema 1, not 2; to write it anew, remove the file first" in words
    assert bench.file.read_text() == "schema = 2\n"


def test_every_measurement_is_kept(bench: Bench) -> None:
    bench.run("hello", update=True)
    bench.run("hello")
    first, second = read_history(bench.project / "build/history.jsonl")
    assert first.stages == second.stages == {"firmware": 5_000, "pid1": 4_995_000, "exit": 100_000}
    assert first.revision == "unknown"  # this copy has no history
    assert first.when <= second.when


def test_other_tools_make_other_numbers_which_is_said_and_tolerated(bench: Bench) -> None:
    bench.run("hello", update=True)
    bench.gcc, bench.bzimage, bench.least_mib = "gcc 14.2.0", 1_050_000, 16
    (answer,) = bench.run("hello").document()["budgets"]
    assert answer["ok"]
    assert not answer["exact"]
    assert {one["subject"]: one["allowed"] for one in answer["verdicts"]}["bzImage"] == 100_000
    before = read_budget(bench.file)
    comparison = compare(before, Measured(stages=before.stages, tools={**before.tools, "gcc": "gcc 14.2.0"}))
    assert comparison_text("hello", comparison, before).splitlines()[1:3] == [
        "  gcc is “gcc 14.2.0”; the budget is of “gcc 12.2.0”",
        "  so 10 % more is tolerated: other tools make other numbers",
    ]


def test_without_a_name_all_that_have_a_budget_are_held_to_it(bench: Bench) -> None:
    bench.run("hello", "lua", update=True)
    assert [one["app"] for one in bench.run().document()["budgets"]] == ["hello", "lua"]
    bench.bzimage = 1_050_000
    with pytest.raises(CheckError, match="hello, lua are over their budgets") as caught:
        bench.run().require()
    assert "lua: bzImage grew by 50,000 bytes" in " ".join(caught.value.details)
    assert "./x budget --app hello --app lua --update" in str(caught.value.hint)


def test_no_budget_at_all_is_said(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no application has a budget"):
        bench.run()


def test_nothing_is_measured_before_all_budgets_are_found_good(bench: Bench) -> None:
    bench.run("hello", update=True)
    (bench.project / "apps/lua/budget.toml").write_text("schema = 1\n")
    bench.asked.clear()
    with pytest.raises(ManifestError):
        bench.run()
    assert bench.asked == []


def test_what_was_measured_is_plain_data() -> None:
    measured = Measured(stages={"pid1": 5}, bytes={"bzImage": 7}, exits={"CPUID": 9})
    assert task.document(measured) == {
        "stages": {"pid1": 5},
        "bytes": {"bzImage": 7},
        "exits": {"CPUID": 9},
        "least_memory_mib": None,
    }
