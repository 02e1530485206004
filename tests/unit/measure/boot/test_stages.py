# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.measure.boot.counter import Counts, read_counts
from unilinux.measure.boot.kernel import Kernel, read_kernel
from unilinux.measure.boot.stages import Application, plan, stages

# Stamps by watch; initcalls began at 100, 200 and 400, and do_one_initcall went on in between.
STAMPS = {
    "loader": [],
    "kernel": [10],
    "start_kernel": [30],
    "initcall": [95, 150, 190, 290, 390, 600, 601],
    "initcalls over": [610],
    "program": [700, 900],
    "pid1": [800],
    "main": [1000],
    "ready": [1500],
    "answer": [],
    "exit": [2000],
    "initcall 0": [100],
    "initcall 1": [200],
    "initcall 2": [400],
}


@pytest.fixture
def kernel(kernel_files: tuple[Path, Path]) -> Kernel:
    return read_kernel(*kernel_files)


def counts(kernel: Kernel, stamps: dict[str, list[int]]) -> Counts:
    what = plan(kernel, Application())
    names = [watch.name for watch in what.watches]
    region = 1 + next(i for i, r in enumerate(what.regions) if r == kernel.symbols["start_kernel"])
    lines = ["total 2100", "vcpu 0 2100"]
    lines += [f"watch {names.index(name)} {len(s)} {' '.join(map(str, s))}" for name, s in stamps.items()]
    lines += [f"snapshot {names.index('pid1')} 0 300", f"snapshot {names.index('pid1')} {region} 500"]
    lines += ["region 0 1600", f"region {region} 500"]
    return read_counts("\n".join(lines), what)


def test_stages_follow_each_other_since_reset(kernel: Kernel) -> None:
    measured = stages(counts(kernel, STAMPS), kernel)
    assert [(stage.name, stage.instructions, stage.spent) for stage in measured.stages] == [
        ("firmware", 10, 10),
        ("entry", 30, 20),
        ("core", 100, 70),
        ("initcalls.early", 150, 50),
        ("basics", 200, 50),
        ("initcalls.pure", 400, 200),
        ("initcalls.device", 600, 200),
        ("pid1", 800, 200),
        ("main", 1000, 200),
        ("ready", 1500, 500),
        ("exit", 2000, 500),
    ]
    assert measured.instructions("pid1") == 800
    assert measured.instructions("answer") is None


def test_a_compressed_kernel_has_a_stage_more(kernel: Kernel) -> None:
    measured = stages(counts(kernel, {**STAMPS, "loader": [4]}), kernel)
    assert [(stage.name, stage.spent) for stage in measured.stages[:3]] == [
        ("firmware", 4),
        ("decompression", 6),
        ("entry", 20),
    ]


def test_code_of_the_kernel_at_the_loaders_address_is_no_decompression(kernel: Kernel) -> None:
    measured = stages(counts(kernel, {**STAMPS, "loader": [50]}), kernel)
    assert [stage.name for stage in measured.stages[:2]] == ["firmware", "entry"]


def test_initcalls_cost_what_they_take_until_they_return(kernel: Kernel) -> None:
    measured = stages(counts(kernel, STAMPS), kernel)
    assert [(cost.name, cost.level, cost.instructions) for cost in measured.initcalls] == [
        ("third_init", "device", 200),
        ("second_init", "pure", 90),
        ("first_init", "early", 50),
    ]


def test_the_profile_is_the_one_at_pid1(kernel: Kernel) -> None:
    measured = stages(counts(kernel, STAMPS), kernel)
    assert [(cost.name, cost.instructions) for cost in measured.functions] == [
        ("start_kernel", 500),
        ("(not the kernel)", 300),
    ]
    assert measured.executed == ("start_kernel",)


def test_the_document_has_the_paths_that_are_promised(kernel: Kernel) -> None:
    document = stages(counts(kernel, STAMPS), kernel).document(most=1)
    assert document["stages"]["pid1"] == {"instructions": 800, "spent": 200}
    assert document["stages"]["main"]["instructions"] == 1000
    assert document["stages"]["ready"]["instructions"] == 1500
    assert document["initcalls"] == [{"name": "third_init", "level": "device", "instructions": 200}]
    assert len(document["functions"]) == 1


def test_a_boot_that_ended_early_has_the_stages_that_it_reached(kernel: Kernel) -> None:
    ended = {name: (stamps if name in ("kernel", "start_kernel") else []) for name, stamps in STAMPS.items()}
    assert [stage.name for stage in stages(counts(kernel, ended), kernel).stages] == ["firmware", "entry"]


def test_main_waits_for_the_applications_program(kernel: Kernel) -> None:
    watches = {watch.name: watch for watch in plan(kernel, Application(main=0x401000)).watches}
    assert watches["main"].after == ("program", 2)
    assert watches["main"].addresses == (0x401000,)
    assert watches["pid1"].after == ("program", 1)
    assert watches["pid1"].ranges


def test_a_kernel_without_symbols_is_entered_where_it_is_loaded() -> None:
    watches = {watch.name: watch for watch in plan(Kernel(), Application()).watches}
    assert watches["kernel"].ranges == ((0x1000000, 0x1002000),)
    assert watches["pid1"].after == ("kernel", 1)


def test_memory_stands_beside_the_stages_that_have_it(kernel: Kernel) -> None:
    measured = stages(counts(kernel, STAMPS), kernel).with_memory({"pid1": 12_000_000})
    assert measured.document()["stages"]["pid1"] == {"instructions": 800, "spent": 200, "memory_bytes": 12_000_000}
    assert "memory_bytes" not in measured.document()["stages"]["main"]
