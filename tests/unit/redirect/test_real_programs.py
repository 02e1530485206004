# SPDX-License-Identifier: GPL-2.0-only
"""Whole programs, with a C library in them: every short cut finds what decoding and following everything finds."""

from __future__ import annotations

import subprocess

import capstone
import pytest
from capstone import x86

from unilinux.redirect.decode import Line, effect, lines
from unilinux.redirect.flow import Effects, Flow
from unilinux.redirect.graph import Graph, reachable
from unilinux.redirect.privileged import consequence
from unilinux.redirect.program import Function, Program, read_program

SOURCE = """
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *work(void *number) { __asm__ volatile ("cli; rdtsc; sti; invlpg (%0)" :: "r" (number)); return number; }
int main(int argc, char **argv)
{
	pthread_t thread;
	struct addrinfo *found;
	pthread_create(&thread, NULL, work, &argc);
	getaddrinfo(argv[0], "80", NULL, &found);
	return printf("%f %ld\\n", argc / 3.0, syscall(SYS_gettid));
}
"""
LINKED = {
    "static": ["-static", "-no-pie"],
    "static, at any address": ["-static-pie"],
    "static, without symbols": ["-static", "-no-pie", "-s"],
    "dynamic": [],
}


@pytest.fixture(scope="module", params=list(LINKED))
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "a.c").write_text(SOURCE)
    subprocess.run(
        ["gcc", "-O2", "-w", *LINKED[request.param], "-o", folder / "a", folder / "a.c"],
        check=True,
        capture_output=True,
    )
    return reachable(read_program(folder / "a"))


def test_the_same_functions_are_reached(graph: Graph) -> None:
    assert {function.address for function in graph.reached} == _reached_by_operands(graph.program)


def test_the_same_instructions_are_privileged(graph: Graph) -> None:
    everything = [
        (function, line)
        for function in graph.reached
        for line in lines(function.code, function.address)
        if consequence(line.mnemonic, line.operands)
    ]
    assert sorted(graph.privileged, key=_address) == sorted(everything, key=_address)
    assert {"cli", "sti", "invlpg"} <= {line.mnemonic for _, line in everything}


def test_a_constant_set_just_before_is_what_all_ways_lead_to(graph: Graph) -> None:
    places = [(site.function, site.address, "rax") for site in graph.sites]
    places += [(call.function, call.address, "rdi") for call in graph.calls if call.callee.name == "syscall"]
    flows: dict[int, Flow] = {}
    functions = {function.address: function for function, _, _ in places}
    flows = {
        start: Flow(function, Effects(), pointers=graph.program.pointers, endless=graph.endless)
        for start, function in functions.items()
    }
    for function, address, register in places:
        flow = flows[function.address]
        assert flow.value(register, address) == flow.settled(register, address), (function.name, hex(address))


def test_instructions_that_read_the_same_do_the_same(graph: Graph) -> None:
    effects = Effects()
    sites = {site.function.address: site.function for site in graph.sites}
    for function in sites.values() if graph.program.named else ():
        for line in lines(function.code, function.address):
            offset = line.address - function.address
            alone = effect(function.code[offset : offset + line.size], line.address)
            assert effects.of(line, function) == alone, line.text


def _address(found: tuple[Function, Line]) -> int:
    return found[1].address


def _reached_by_operands(program: Program) -> set[int]:
    """What can run, by the operands that the disassembler gives as numbers, one instruction after the other."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    start = program.at(program.entry)
    reached = {function.address for function in program.functions if function.address in program.pointers}
    waiting = [program.by_start[address] for address in reached] + ([start] if start else [])
    reached |= {start.address} if start else set()
    while waiting:
        function = waiting.pop()
        for instruction in decoder.disasm(function.code, function.address):
            for named in _named(program, instruction):
                if named.address not in reached:
                    reached.add(named.address)
                    waiting.append(named)
    return reached


def _named(program: Program, instruction: capstone.CsInsn) -> list[Function]:
    goes = x86.X86_GRP_BRANCH_RELATIVE in instruction.groups
    found: list[Function | None] = []
    for operand in instruction.operands:
        if operand.type == x86.X86_OP_IMM:
            found.append(program.at(operand.imm) if goes else program.by_start.get(abs(operand.imm)))
        elif operand.type == x86.X86_OP_MEM:
            relative = instruction.reg_name(operand.mem.base) == "rip"
            behind = instruction.address + instruction.size if relative else 0
            found.append(program.by_start.get(abs(behind + operand.mem.disp)))
    return [function for function in found if function]
