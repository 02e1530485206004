"""Programs that attack the kernel from inside: every case on every kernel, in ring 0 and, as the control, in ring 3.

What passes in ring 3 must pass in ring 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.boot.conftest import PROJECT, RUNNER, Workshop
from unilinux.vm.runner import Boot
from unilinux.vm.vm import Vm

SOURCES = PROJECT / "tests/guest"
PROGRAMS = ("gate", "process", "stress", "wild")
KERNELS = ("attack-up", "attack-locking", "attack-full")
# Ring and system call of the program's C library; the programs use all forms of the gate by themselves.
ENTRIES = ((3, "trap"), (0, "trap"), (0, "gate"), (0, "lean"))
# The control and the usual: for each test run on the usual kernel, and all that is tried on the other one.
CORE = ((3, "trap"), (0, "lean"))
OTHER_LINUX = "6.1"

# QEMU 7.2 reads the stack of a far return or IRET at CPL 3 with the kernel's rights, which SMAP forbids:
# the kernel then oopses in ring 3. Ring 0 has no SMAP anyway.
_NO_SMAP = ("clearcpuid=smap",)

# Each case may take 120 s; all of a program do in 10 minutes on a loaded host.
_TIMEOUT_S = 900.0

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]


@dataclass(frozen=True, slots=True)
class Target:
    """A profile of kernels, and how programs run on it; ``linux`` is one of configs/kernels.toml, "" the usual one."""

    kernel: str
    ring: int
    syscall: str
    linux: str = ""

    def __str__(self) -> str:
        name = f"{self.kernel.removeprefix('attack-')}-ring{self.ring}-{self.syscall}"
        return f"linux{self.linux}-{name}" if self.linux else name

    @property
    def is_slow(self) -> bool:
        """Whether it is left to ``test --all``: each kernel takes minutes to compile."""
        return bool(self.linux) or self.kernel != "attack-up" or (self.ring, self.syscall) not in CORE


def cases(program: str) -> tuple[str, ...]:
    """The names in a program's table of cases."""
    return tuple(re.findall(r"\bCASE(?:_SIGNAL)?\((\w+)", (SOURCES / f"{program}.c").read_text()))


def targets() -> Iterator[Target]:
    for kernel in KERNELS:
        for ring, syscall in ENTRIES:
            if kernel == "attack-full" and syscall == "lean":
                continue  # the lean gate doesn't go with NO_HZ_FULL
            yield Target(kernel, ring, syscall)
    for ring, syscall in CORE:
        yield Target("attack-up", ring, syscall, OTHER_LINUX)


def parameters() -> Iterator[object]:
    for target in targets():
        marks = [pytest.mark.slow] if target.is_slow else []
        for program in PROGRAMS:
            for case in cases(program):
                yield pytest.param(target, program, case, id=f"{target}-{program}-{case}", marks=marks)


Reports = Callable[[Target, str], dict[str, str]]


@pytest.fixture(scope="module")
def reports(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """What each case of a program said on a target; a program is booted once for all its cases."""

    @cache
    def run(target: Target, program: str) -> dict[str, str]:
        choice: dict[str, str | int] = {"profile": target.kernel, "ring": target.ring, "syscall": target.syscall}
        if target.linux:
            choice["kernel"] = target.linux
        image = workshop.build(workshop.add_guest(program), **choice)
        evidence = tmp_path_factory.mktemp(f"{target}-{program}")
        boot = Boot(
            machine=image.plan.machine,
            kernel=image.vmlinux,
            evidence=evidence,
            cmdline=(*image.plan.cmdline, *_NO_SMAP),
        )
        with Vm.start(boot, RUNNER) as vm:
            vm.wait(timeout_s=_TIMEOUT_S)
            lines = [line.text for line in vm.console.lines()]
        return dict(found for line in lines if (found := _report(line)))

    return run


def _report(line: str) -> tuple[str, str] | None:
    found = re.search(r"case (\w+): (pass|fail|skip)(.*)", line)
    return (found[1], found[2] + found[3]) if found else None


@pytest.mark.parametrize(("target", "program", "case"), tuple(parameters()))
def test_case(reports: Reports, target: Target, program: str, case: str) -> None:
    said = reports(target, program).get(case, "never reported")
    if said.startswith("skip"):
        pytest.skip(said)
    assert said.startswith("pass"), said


def test_every_program_has_cases() -> None:
    sources = {path.stem for path in Path(SOURCES).glob("*.c")}
    assert sources == set(PROGRAMS)
    assert all(cases(program) for program in PROGRAMS)
