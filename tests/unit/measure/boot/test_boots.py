# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import BootError, VmError
from unilinux.measure.boot.boots import counted_boot, disagreements, timed_boots
from unilinux.measure.boot.kernel import Kernel
from unilinux.measure.boot.stages import Application, Stage, Stages
from unilinux.vm.engine import Plugin

STAGES = Stages(
    stages=(Stage("firmware", 10, 10), Stage("pid1", 50, 40), Stage("main", 60, 10), Stage("exit", 99, 39)),
    initcalls=(),
    functions=(),
    executed=(),
    total=100,
    vcpus=(100,),
)


class FakeMachine:
    """Writes counts as the plugin would: watches in the order of the plan of a kernel without symbols."""

    def __init__(self, folder: Path, *, pid1: bool = True, killed: bool = False) -> None:
        self.folder, self.pid1, self.killed = folder, pid1, killed
        self.plugin: Plugin | None = None

    def __call__(self, plugin: Plugin | None) -> None:
        self.plugin = plugin
        plan = (self.folder / "counter.plan").read_text()
        watches = sum(line.startswith("watch") for line in plan.splitlines())
        hits = {1: "1 1000", 6: "1 5000", 7: "1 6000"} if self.pid1 else {1: "1 1000"}
        lines = ["total 7000", "vcpu 0 7000", "region 0 7000"]
        lines += [f"watch {number} {hits.get(number, '0')}" for number in range(watches)]
        if not self.killed:
            (self.folder / "counter.counts").write_text("\n".join(lines))
            (self.folder / "counter.log").write_text("exit 900 cpuid\nexit 4999 hlt\nexit 5000 hlt\n")


def boot(folder: Path, machine: FakeMachine) -> Stages:
    return counted_boot(Kernel(), Application(), plugin=Path("/counter.so"), folder=folder, boot=machine)


def test_a_boot_is_counted_by_the_plugin(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    found = boot(tmp_path, machine)
    assert found.instructions("pid1") == 5000
    assert found.exits == {"firmware": {"CPUID": 1}, "pid1": {"HLT": 1}, "main": {"HLT": 1}}
    assert [found.exits_to(stage) for stage in ("firmware", "main")] == [{"CPUID": 1}, {"HLT": 2, "CPUID": 1}]
    assert "exits\n" in (tmp_path / "counter.plan").read_text()
    files = {"plan": f"{tmp_path}/counter.plan", "out": f"{tmp_path}/counter.counts"}
    assert machine.plugin == Plugin(path=Path("/counter.so"), options=files, log=tmp_path / "counter.log")


def test_a_boot_that_never_reached_pid1_says_how_far_it_came(tmp_path: Path) -> None:
    with pytest.raises(BootError, match="the last stage that was over is 'firmware'"):
        boot(tmp_path, FakeMachine(tmp_path, pid1=False))


def test_a_killed_qemu_leaves_no_counts_of_an_earlier_run(tmp_path: Path) -> None:
    boot(tmp_path, FakeMachine(tmp_path))
    with pytest.raises(VmError, match="cut short"):
        boot(tmp_path, FakeMachine(tmp_path, killed=True))


def test_wall_time_is_median_and_spread() -> None:
    times = iter([3.0, 1.0, 2.0])
    assert timed_boots(lambda: next(times), 3).document() == {"median_s": 2.0, "least_s": 1.0, "most_s": 3.0, "runs": 3}
    with pytest.raises(ValueError, match="at least one run"):
        timed_boots(lambda: 1.0, 0)


def test_repeats_that_agree_until_main_do() -> None:
    later = replace(STAGES, stages=(*STAGES.stages[:3], Stage("exit", 105, 45)))
    assert disagreements([STAGES, later, STAGES]) == ()


def test_repeats_that_differ_say_where() -> None:
    other = replace(STAGES, stages=(STAGES.stages[0], Stage("pid1", 1051, 41), *STAGES.stages[2:]))
    missing = replace(STAGES, stages=STAGES.stages[:1])
    assert disagreements([STAGES, other, missing])[0] == "pid1: 50, 1,051, not reached"


def test_repeats_that_differ_in_exits_do_not_agree() -> None:
    one = replace(STAGES, exits={"pid1": {"CPUID": 424, "HLT": 1}, "exit": {"HLT": 1}})
    other = replace(STAGES, exits={"pid1": {"CPUID": 423, "HLT": 1}})
    assert disagreements([one, one]) == ()
    assert disagreements([one, other]) == ("pid1: exits for CPUID: 424, 423",)
