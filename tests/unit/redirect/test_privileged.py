# SPDX-License-Identifier: GPL-2.0-only
"""Privileged instructions: all kinds are found, with what they do, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from tests.unit.redirect.conftest import Assemble
from unilinux.redirect.decode import lines
from unilinux.redirect.graph import reachable
from unilinux.redirect.privileged import privileged_instructions
from unilinux.redirect.program import Program

# Each by a part of what is said of it.
KINDS = {
    "turns interrupts off": ["cli"],
    "turns interrupts on": ["sti"],
    "waits for an interrupt": ["hlt", "monitor", "mwait"],
    "talks to a device": [
        "in $0x70, %al", "in %dx, %eax", "out %al, $0x80", "out %al, %dx", "insb", "insl", "outsw", "rep outsb",
    ],
    "replaces a table": ["lgdt (%rdi)", "lidt (%rdi)", "lldt %ax", "ltr %ax"],
    "loads CS": [
        "iretw", "iretl", "iretq", "lret", "lretw", "lretq", "lret $8", "sysretl", "sysretq", "sysexit", "sysexitq",
        "lcall *(%rdi)", "lcallw *(%rdi)", "rex.w lcall *(%rdi)", "ljmp *(%rdi)", "ljmpw *(%rdi)",
        "rex.w ljmp *(%rdi)", "lcall *0x601000", "ljmp *0x601000(%rip)",
    ],
    "changes GS": ["swapgs", "wrgsbase %rax", "mov %ax, %gs", "mov (%rdi), %gs", "pop %gs", "lgs (%rdi), %eax"],
    "loads SS": ["mov %ax, %ss", "mov (%rdi), %ss", "lss (%rdi), %eax"],
    "drops caches": ["invlpg (%rdi)", "invpcid (%rdi), %rax", "invlpga", "invd", "wbinvd", "wbnoinvd"],
    "how the CPU works": [
        "mov %rax, %cr3", "mov %cr0, %rax", "mov %rax, %cr8", "mov %rax, %dr7", "mov %dr6, %rax", "wrmsr", "rdmsr",
        "rdpmc", "xsetbv", "lmsw %ax", "clts", "xsaves (%rdi)", "xrstors64 (%rdi)", "pconfig",
    ],
    "opens or closes user memory": ["clac", "stac"],
    "a virtual machine": [
        "vmxoff", "vmlaunch", "vmresume", "vmptrld (%rdi)", "vmclear (%rdi)", "vmread %rax, %rbx",
        "invept (%rdi), %rax", "vmrun", "vmload", "vmsave", "clgi", "stgi", "skinit", "encls", "enclv",
    ],
    "calls the hypervisor": ["vmcall", "vmmcall"],
    "SIGSEGV, as in ring 3": ["int $8", "int $0x80", "int $0xec", "int1"],
    "a signal, as in ring 3; under KVM on AMD": ["sysenter"],
}  # fmt: skip

# What does the same in ring 3; and what tells the kernel's values or counts in ring 0, which harms nobody.
ORDINARY = [
    "int3", "int $3", "ud2", "ud1 %eax, %eax", "rsm", "syscall", "call *0xffffffffff600000", "jmp *(%rdi)",
    "call *%rax", "call *(%rdi,%rax,8)", "ret", "ret $8", "leave", "pause", "cpuid", "rdtsc", "rdtscp", "rdpid %rax",
    "rdrand %eax", "xgetbv", "xsave (%rdi)", "xsavec (%rdi)", "rdfsbase %rax", "wrfsbase %rax", "rdgsbase %rax",
    "mov %ax, %fs", "pop %fs", "lfs (%rdi), %eax", "mov %ax, %ds", "mov %gs:0, %rax", "mov %rax, %gs:0", "mov %gs, %ax",
    "mov %ss, %ax", "push %gs", "pop %rax", "pushfq; popfq", "sgdt (%rdi)", "sidt (%rdi)", "sldt %eax", "str %eax",
    "smsw %eax", "lar %ax, %eax", "lsl %ax, %eax", "verr %ax", "verw %ax", "clflush (%rdi)", "prefetcht0 (%rdi)",
    "sfence", "lfence", "monitorx", "mwaitx", "umwait %eax", "enclu", "vmfunc", "rep stosb", "lock incl (%rdi)",
    "mov %rax, 0xdead(%rdi)",
]  # fmt: skip


@pytest.mark.parametrize("does", KINDS)
def test_each_kind_is_found_with_what_it_does(assemble: Assemble, does: str) -> None:
    code = "".join(f" nop\n {text}\n" for text in KINDS[does])
    program = assemble(f"_start:\n{code} jmp _start\n")
    found = privileged_instructions(reachable(program))
    assert [entry.address for entry in found] == _behind_each_nop(program), [entry.text for entry in found]
    assert all(does in entry.does for entry in found), [entry.text for entry in found]


def test_what_ring_3_may_do_is_not(assemble: Assemble) -> None:
    graph = reachable(assemble("_start: nop\n " + "\n ".join(ORDINARY) + "\n jmp _start\n"))
    assert [entry.text for entry in privileged_instructions(graph)] == []
    assert not graph.undecoded


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


def _behind_each_nop(program: Program) -> list[int]:
    (start,) = program.functions
    return [line.end for line in lines(start.code, start.address) if line.mnemonic == "nop"]
