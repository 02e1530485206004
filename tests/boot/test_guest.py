# SPDX-License-Identifier: GPL-2.0-only
"""Programs that attack the kernel from inside: every case on every kernel, in ring 0 and, as the control, in ring 3.

What passes in ring 3 must pass in ring 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.boot.attack import SOURCES, Report, Target, cases
from tests.boot.conftest import Workshop

PROGRAMS = ("gate", "process", "promises", "stress", "wild")
KERNELS = ("attack-up", "attack-locking", "attack-full")
# Ring and system call of the program's C library; the programs use all forms of the gate by themselves.
ENTRIES = ((3, "trap"), (0, "trap"), (0, "gate"), (0, "lean"))
# The control and the usual: all that is tried on the other Linux.
CORE = ((3, "trap"), (0, "lean"))
OTHER_LINUX = "6.1"
MODELS = ("qemu64", "Haswell", "EPYC", "max")

# Each case may take 120 s; all of a program do in 10 minutes on a loaded host.
_TIMEOUT_S = 900.0

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]


def targets() -> Iterator[tuple[Target, tuple[str, ...]]]:
    """What is booted, and the programs that run there."""
    for kernel in KERNELS:
        for ring, syscall in ENTRIES:
            if kernel == "attack-full" and syscall == "lean":
                continue  # the lean gate doesn't go with NO_HZ_FULL
            yield Target(kernel, ring, syscall), PROGRAMS
    for ring, syscall in CORE:
        yield Target("attack-up", ring, syscall, linux=OTHER_LINUX), PROGRAMS
    # KASLR is only in force for a bzImage.
    for ring, syscall in ((3, "trap"), (0, "gate")):
        yield Target("attack-full", ring, syscall, bzimage=True), PROGRAMS
    for model in MODELS:
        yield Target("attack-up", 0, "lean", model=model), ("gate", "promises", "wild")


def is_slow(target: Target) -> bool:
    """Whether it is left to ``test --all``: each kernel takes minutes to compile."""
    return target not in (Target("attack-up", 3, "trap"), Target("attack-up", 0, "lean"))


def runs() -> Iterator[tuple[Target, str, list[pytest.MarkDecorator]]]:
    for target, programs in targets():
        for program in programs:
            yield target, program, [pytest.mark.slow] if is_slow(target) else []


Reports = Callable[[Target, str], Report]


@pytest.fixture(scope="module")
def reports(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What a program said on a target; it is booted once for all its cases."""

    @cache
    def run(target: Target, program: str) -> Report:
        image = target.build(workshop, program)
        with target.start(image, tmp_path_factory.mktemp(f"{target}-{program}")) as vm:
            return Report.read(vm, timeout_s=_TIMEOUT_S)

    return run


@pytest.mark.parametrize(
    ("target", "program", "case"),
    [
        pytest.param(target, program, case, id=f"{target}-{program}-{case}", marks=marks)
        for target, program, marks in runs()
        for case in cases(program)
    ],
)
def test_case(reports: Reports, target: Target, program: str, case: str) -> None:
    said = reports(target, program).cases.get(case, "never reported")
    if said.startswith("skip"):
        pytest.skip(said)
    assert said.startswith("pass"), said


@pytest.mark.parametrize(
    ("target", "program"),
    [pytest.param(target, program, id=f"{target}-{program}", marks=marks) for target, program, marks in runs()],
)
def test_kernel_is_what_it_says_and_has_no_complaint(reports: Reports, target: Target, program: str) -> None:
    report = reports(target, program)
    assert not report.not_as_built(target)
    assert not report.trouble


@pytest.mark.slow
@pytest.mark.parametrize(("ring", "syscall"), [(3, "trap"), (0, "gate")])
def test_each_boot_of_a_bzimage_is_at_another_address(
    workshop: Workshop, tmp_path: Path, ring: int, syscall: str
) -> None:
    target = Target("attack-full", ring, syscall, bzimage=True)
    image = target.build(workshop, "stress")
    seen: dict[int, Report] = {}
    for number in range(3):
        with target.start(image, tmp_path / str(number), "only=everything", "seconds=0.1") as vm:
            report = Report.read(vm, timeout_s=120)
        assert report.cases["everything"].startswith("pass")
        seen[report.address] = report
    # 1 GiB in steps of 2 MiB: three addresses are the same in 1 of 65,000 cases.
    assert len(seen) > 1
    assert {report.cpus for report in seen.values()} == {2}


# The firmware of q35 tells Linux of one CPU for each socket.
@pytest.mark.slow
def test_both_cpus_of_q35_come_up(workshop: Workshop, tmp_path: Path) -> None:
    target = Target("attack-full", 0, "gate")
    image = target.build(workshop, "stress", target="q35")
    with target.start(image, tmp_path / "evidence", "only=everything", "seconds=0.1") as vm:
        report = Report.read(vm, timeout_s=120)
    assert report.cases["everything"].startswith("pass")
    assert not report.not_as_built(target)


# What an application does to itself is its own affair: each ends as this signal, on one CPU and on two.
ENDINGS = {
    ("process", "null_write"): "SIGSEGV",
    ("process", "aborted"): "SIGABRT",
    ("process", "stack_overflow"): "SIGSEGV",
    ("process", "undefined_opcode"): "SIGILL",
    ("promises", "free_twice"): "SIGSEGV",
    ("promises", "join_detached"): "SIGSEGV",
    ("wild", "int_236_local_timer"): "SIGSEGV",
    ("wild", "int_8_double_fault"): "SIGSEGV",
    ("wild", "set_gs_and_fault"): "SIGILL",
    ("wild", "set_gs_and_spin"): "SIGALRM",
}


@pytest.mark.parametrize(("program", "case"), ENDINGS)
def test_end_is_a_signal(program: str, case: str) -> None:
    assert f"CASE_SIGNAL({case}, {ENDINGS[program, case]})" in (SOURCES / f"{program}.c").read_text()
    assert {target.cpus for target, programs in targets() if target.ring == 0 and program in programs} == {1, 2}


def test_every_program_has_cases() -> None:
    sources = {path.stem for path in Path(SOURCES).glob("*.c")}
    assert sources == set(PROGRAMS)
    assert all(cases(program) for program in PROGRAMS)
