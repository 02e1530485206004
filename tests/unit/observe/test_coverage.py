# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from types import MappingProxyType

from unilinux.measure.boot.counter import Counts
from unilinux.measure.boot.kernel import KERNEL_MAP, Kernel
from unilinux.measure.size.size import UNKNOWN
from unilinux.observe.coverage import KernelFunction, ObjectUse, coverage_plan, covered

A, B, C, D = (
    KernelFunction(KERNEL_MAP + 0x100, 0x10, "a_init", "fs/a.o"),
    KernelFunction(KERNEL_MAP + 0x110, 0x10, "a_read", "fs/a.o"),
    KernelFunction(KERNEL_MAP + 0x140, 0x10, "a_idle", "fs/a.o"),
    KernelFunction(KERNEL_MAP + 0x200, 0x10, "poweroff"),
)
KERNEL = Kernel(symbols={"start_thread": KERNEL_MAP + 0x300, "unilinux_init_exit": KERNEL_MAP + 0x400})
# Regions begin at: a_init 1, a_read 2, a gap 3, a_idle 4, a gap 5, poweroff 6, what follows 7.
AT_PID1 = {1: 5, 2: 10, 3: 1}
AT_EXIT = {1: 5, 2: 30, 3: 9}
AT_END = {1: 5, 2: 30, 3: 9, 6: 4}


def counts(hits_of_exit: int) -> Counts:
    return Counts(
        total=48,
        vcpus=(48,),
        hits={"program": 1, "pid1": 1, "exit": hits_of_exit},
        stamps={},
        regions=AT_END,
        snapshots=MappingProxyType({"pid1": AT_PID1, "exit": AT_EXIT if hits_of_exit else {}}),
    )


def test_the_plan_has_a_region_for_each_function_and_each_gap() -> None:
    plan = coverage_plan(KERNEL, (A, B, C, D))
    offsets = [address - KERNEL_MAP for address in plan.regions]
    assert offsets == [0x100, 0x110, 0x120, 0x140, 0x150, 0x200, 0x210]
    assert [watch.name for watch in plan.watches] == ["program", "pid1", "exit", "calls"]


def test_start_and_end_are_told_from_use() -> None:
    plan = coverage_plan(KERNEL, (A, B, C, D))
    assert covered(counts(1), plan, (A, B, C, D)) == (
        ObjectUse(path=UNKNOWN, boot=("poweroff",)),
        ObjectUse(path="fs/a.o", used=("a_read",), boot=("a_init",), idle=("a_idle",)),
    )


def test_a_machine_that_was_ended_from_outside_was_in_use_to_the_end() -> None:
    plan = coverage_plan(KERNEL, (A, B, C, D))
    assert covered(counts(0), plan, (A, B, C, D))[0] == ObjectUse(path=UNKNOWN, used=("poweroff",))


def test_an_object_comes_back_from_json() -> None:
    use = ObjectUse(path="fs/a.o", used=("a",), boot=("b", "c"))
    assert ObjectUse.from_document(use.document()) == use
