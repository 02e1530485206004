# SPDX-License-Identifier: GPL-2.0-only
"""Rewriting: what becomes of each shape, that a rewritten program still does the same, and what is left alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.redirect.rewrite.conftest import Build
from unilinux.core.errors import BuildError
from unilinux.elf.file import parse_elf
from unilinux.redirect.rewrite.report import CALL, JUMP, TRAP, Report
from unilinux.redirect.rewrite.rewriter import Rewritten, is_rewritten, rewrite

SHAPES = Path(__file__).with_name("shapes.c")

# By the names of the functions in shapes.c.
TREATMENTS = {
    "plain": TRAP,
    "restore": TRAP,
    "called": CALL,
    "called_64": CALL,
    "waits": JUMP,
    "short_zero": JUMP,
    "returns_at_once": JUMP,
    "red_zone": JUMP,
    "frame_red_zone": JUMP,
    "frame": CALL,
    "relative": JUMP,
    "relative_after": JUMP,
    "led_to_inside": JUMP,
    "conditional": JUMP,
    "flags": TRAP,
    "loops": JUMP,
    "table_jump": JUMP,
    "high_number": JUMP,
}
LINKED = {"static": ("-static", "-no-pie"), "static-pie": ("-static-pie", "-fPIE"), "stripped": ("-static", "-s")}


def rewritten(path: Path) -> Rewritten:
    return rewrite(path.read_bytes(), path.name)


def run(content: bytes, path: Path) -> subprocess.CompletedProcess[str]:
    path.write_bytes(content)
    path.chmod(0o755)
    return subprocess.run([path], check=False, capture_output=True, text=True, timeout=60)


def code_of(content: bytes, *options: str, path: Path) -> str:
    path.write_bytes(content)
    return subprocess.run(["objdump", "-d", *options, path], check=True, capture_output=True, text=True).stdout


def vsyscall_can_be_read() -> bool:
    rows = [row.split() for row in Path("/proc/self/maps").read_text().splitlines() if "[vsyscall]" in row]
    return any(row[1].startswith("r") for row in rows)


@pytest.fixture(params=LINKED)
def shapes(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    binary = tmp_path / "shapes"
    flags = ("-O1", "-nostdlib", "-fcf-protection=none", "-w", *LINKED[request.param])
    subprocess.run(["gcc", *flags, "-o", binary, SHAPES], check=True)
    return binary


def test_each_shape_gets_its_treatment(shapes: Path) -> None:
    report = rewritten(shapes).report
    # A stripped program has no names, but unwind tables tell of the same functions.
    assert [site.treatment for site in report.sites] == list(TREATMENTS.values())
    names = [site.function for site in report.sites]
    assert names == list(TREATMENTS) or all(name.startswith("code at ") for name in names)
    counts = report.counts
    assert (counts.found, counts.rewritten, counts.left) == (18, 15, 3)


@pytest.mark.skipif(vsyscall_can_be_read(), reason="this host lets programs read where the gate is")
def test_a_rewritten_program_does_the_same_through_the_gate(shapes: Path, tmp_path: Path) -> None:
    assert run(shapes.read_bytes(), tmp_path / "before").stdout == ""
    ran = run(rewritten(shapes).content, tmp_path / "after")
    assert ran.returncode == 0
    # In the order in which shapes.c calls them.
    assert ran.stdout == "cc" + "jjj" + "j" + "jjc" + "j" + "jj" + "jj" + "j" + "jjj" + "j" + "j"


def test_rewriting_is_deterministic_and_done_once(shapes: Path) -> None:
    first = rewritten(shapes)
    assert rewritten(shapes) == first
    again = rewrite(first.content, shapes.name)
    assert again.content == first.content
    assert (again.report.untouched, again.report.counts) == ("it has been rewritten before", first.report.counts)
    assert is_rewritten(parse_elf(first.content, "again"))


def test_the_host_s_tools_still_read_it(shapes: Path, tmp_path: Path) -> None:
    target = tmp_path / "after"
    target.write_bytes(rewritten(shapes).content)
    read = subprocess.run(["readelf", "-aW", target], check=False, capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")
    assert "UniLinux" in read.stdout
    assert ".text.unilinux" in read.stdout


def test_a_report_survives_json(shapes: Path) -> None:
    report = rewritten(shapes).report
    assert Report.from_json(report.to_json()) == report
    assert sum(report.reasons().values()) == report.counts.left


def test_bytes_in_the_middle_of_an_instruction_are_no_system_call(build: Build) -> None:
    report = rewritten(build("_start: mov $0x050f, %eax\n mov $60, %eax\n syscall")).report
    assert [site.treatment for site in report.sites] == [JUMP]


# How other code or data leads to a label that stands where a jump would take its place.
WAYS = {
    "a branch": "f_other: jnz .Linside\n ret",
    "a call of another function": "f_other: call .Linside\n ret",
    "an address that is computed": "f_other: lea .Linside(%rip), %rax\n jmp *%rax",
    "a constant": "f_other: mov $.Linside, %eax\n jmp *%rax",
    "a word of data": ".data\n .quad .Linside",
    "a symbol": ".globl inside\n .type inside, @function\n .size inside, 1",
}


@pytest.mark.parametrize("way", ["nothing", *WAYS])
def test_what_leads_into_the_middle_of_a_jump_keeps_it_away(build: Build, way: str) -> None:
    """Behind the call the function ends, so the only place for a jump is before it."""
    label = "inside" if way == "a symbol" else ".Linside"
    code = f"_start: mov $1, %ebx\n nop\n{label}: nop\n syscall\n .size _start, .-_start\n .balign 16, 0x06\n"
    (site,) = rewritten(build(code + WAYS.get(way, ""))).report.sites
    assert site.treatment == (JUMP if way == "nothing" else TRAP)


def test_a_table_of_distances_counts_as_leading_somewhere(build: Build) -> None:
    text = """
        _start:
            lea table(%rip), %rcx
            movslq (%rcx, %rdi, 4), %rdx
            add %rcx, %rdx
            jmp *%rdx
        .Lfirst:
            mov $1, %ebx
            nop
        .Lsecond:
            nop
            syscall
            .size _start, .-_start
            .balign 16, 0x06
            .section .rodata
        table:
            .long .Lfirst - table, .Lsecond - table
            .text
    """
    assert [site.treatment for site in rewritten(build(text)).report.sites] == [TRAP]
    first_only = text.replace(".long .Lfirst - table, .Lsecond - table", ".long .Lfirst - table")
    assert [site.treatment for site in rewritten(build(first_only)).report.sites] == [JUMP]


def test_code_that_cannot_be_read_is_left_alone(build: Build) -> None:
    report = rewritten(build("_start: mov $39, %eax\n syscall\n .byte 0x06, 0x06, 1\n .size _start, .-_start")).report
    assert [(site.treatment, site.why) for site in report.sites] == [
        (TRAP, "the code around it can't be read as instructions to the end")
    ]


def test_a_landing_pad_counts_as_led_to(build: Build) -> None:
    text = """
        _start:
            .cfi_startproc
            .cfi_personality 0x1b, f_personality
            .cfi_lsda 0x1b, table
            call f_personality
            mov $39, %ebx
        pad:
            nop
            syscall
            .cfi_endproc
            .size _start, .-_start
        f_personality: ret
            .section .gcc_except_table,"a"
        table:
            .byte 0xff, 0xff, 1
            .uleb128 2f-1f
        1:  .uleb128 0
            .uleb128 5
            .uleb128 pad-_start
            .uleb128 0
        2:
    """
    assert [site.treatment for site in rewritten(build(text)).report.sites] == [TRAP]


def test_calls_that_may_lose_the_stack_jump(build: Build) -> None:
    numbers = (11, 56, 57, 58, 60, 435)
    text = "_start:\n" + "".join(f"mov ${number}, %eax\n syscall\n" for number in (*numbers, 39))
    assert [site.treatment for site in rewritten(build(text)).report.sites] == [*[JUMP] * len(numbers), CALL]


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ("_start: hlt\n .balign 16, 0x90", 11),
        ("_start: hlt\n jmp _start", 11),
        ("_start: test %esp, %esp\n jnz 1f\n ret\n1: hlt\n2: nop\n jmp 2b", 4),
        ("_start: hlt", 4),
    ],
    ids=["padding", "unreachable", "led to", "at the end"],
)
def test_hlt_ends_by_a_signal_everywhere(build: Build, tmp_path: Path, text: str, signal: int) -> None:
    before = build(text)
    assert run(before.read_bytes(), tmp_path / "before").returncode == -11
    after = rewritten(before)
    assert run(after.content, tmp_path / "after").returncode == -signal
    assert "\thlt" not in code_of(after.content, path=tmp_path / "after")
    assert [halt.becomes.name for halt in after.report.halts] == ["SEGV" if signal == 11 else "ILL"]


def test_what_has_no_system_calls_stays_as_it_is(build: Build) -> None:
    binary = build("_start: ret")
    assert rewritten(binary).content == binary.read_bytes()


def test_other_files_are_left_alone_or_refused(build: Build, tmp_path: Path) -> None:
    binary = build("_start: mov $39, %eax\n syscall", "-c")
    assert rewritten(binary).report.untouched == "it is no program and no library"
    program = bytearray(build("_start: mov $39, %eax\n syscall").read_bytes())
    foreign = program.copy()
    foreign[18:20] = b"\xb7\0"
    assert rewrite(bytes(foreign), "foreign").report.untouched == "it is for another processor (EM_AARCH64)"
    for damaged in (b"", b"\x7fELF\x01\x01" + bytes(60), bytes(program[:70]), b"#!/bin/sh\n"):
        with pytest.raises(BuildError):
            rewrite(damaged, "damaged")
