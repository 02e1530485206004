# SPDX-License-Identifier: GPL-2.0-only
"""Privileged instructions: all kinds are found, with what they do, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from tests.unit.redirect.conftest import Assemble
from unilinux.redirect.graph import reachable
from unilinux.redirect.privileged import privileged_instructions

KINDS = [
    "hlt", "cli", "sti", "in $0x70, %al", "out %al, %dx", "rep outsb", "lgdt (%rdi)", "lidt (%rdi)",
    "mov %rax, %cr3", "mov %cr0, %rax", "mov %rax, %dr7", "wrmsr", "rdmsr", "wrgsbase %rax", "mov %ax, %gs",
    "swapgs", "invlpg (%rdi)", "iretq", "sysretq", "lret", "int $8", "int $0xec", "clac", "wbinvd", "xsetbv",
]  # fmt: skip
ORDINARY = [
    "int3", "pushfq; popfq", "rdtsc", "cpuid", "rdfsbase %rax", "wrfsbase %rax", "mov %gs:0, %rax", "mov %gs, %ax",
    "ud2", "syscall", "call *0xffffffffff600000", "pause", "ret", "sfence", "xgetbv",
]  # fmt: skip


@pytest.mark.parametrize("instruction", KINDS)
def test_each_kind_is_found_with_what_it_does(assemble: Assemble, instruction: str) -> None:
    found = privileged_instructions(reachable(assemble(f"_start: nop\n {instruction}\n jmp _start\n")))
    assert [(entry.function, entry.does != "") for entry in found] == [("_start", True)]
    assert found[0].address % 0x1000 == 1, "the instruction itself, not its neighbour"


@pytest.mark.parametrize("instruction", ORDINARY)
def test_what_ring_3_may_do_is_not(assemble: Assemble, instruction: str) -> None:
    assert not privileged_instructions(reachable(assemble(f"_start: nop\n {instruction}\n jmp _start\n")))


def test_data_between_functions_is_not_code(assemble: Assemble) -> None:
    program = assemble("_start: ret\n.size _start, . - _start\n.byte 0xf4, 0xfa, 0xfb\n")
    assert not privileged_instructions(reachable(program))


def test_a_function_that_is_never_used_does_not_count(assemble: Assemble) -> None:
    assert not privileged_instructions(reachable(assemble("_start: ret\nf_unused: hlt\n ret\n")))


def test_one_line_says_all(assemble: Assemble) -> None:
    (found,) = privileged_instructions(reachable(assemble("_start: nop\n cli\n ret\n")))
    assert found.text == (
        f"cli, in _start at {found.address:#x}: "
        "in ring 0 it turns interrupts off, and the kernel may never get the CPU back"
    )
