# SPDX-License-Identifier: GPL-2.0-only
"""The programs of ``tests/guest`` on the kernels of ``tests/guest/kernels``: what several boot tests share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from tests.boot.alone import NO_SMAP
from tests.boot.conftest import PROJECT, TCG, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Outcome
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.vm import Vm

SOURCES = PROJECT / "tests/guest"

# Warnings, which the profile's "quiet" hides: lockdep and the checks of the entry code tell by them what they find.
WARNINGS = "loglevel=5"

_TROUBLE = re.compile(
    r"WARNING: |BUG: |INFO: .*(lock|task|rcu|suspicious)|Oops|[Ss]tall|Call Trace|inconsistent|corrupt|DEBUG_LOCKS"
)
_ABOUT = re.compile(r"ring (?P<ring>\d) hwcap2 (?P<hwcap2>\w+) cpus (?P<cpus>\d+) kernel (?P<address>\w+)")
_CASE = re.compile(r"case (\w+): (pass|fail|skip)(.*)")
_NMIS = re.compile(r"nmis (\d+)")
_HWCAP2_GATE = 1 << 30
# Two lines for each NMI, in the middle of what the program says or between; the log has a stamp before each line.
_NMI_MESSAGES = re.compile(r"(?:NMI: PCI system error|Dazed and confused)[^\n]*\n(?:\[ *[\d.]+\] )?")


def cases(program: str) -> tuple[str, ...]:
    """The names in a program's table of cases."""
    return tuple(re.findall(r"\bCASE(?:_SIGNAL)?\((\w+)", (SOURCES / f"{program}.c").read_text()))


def without_nmi_messages(log: str) -> str:
    """What the program said, and what else the kernel did."""
    return _NMI_MESSAGES.sub("", log)


@dataclass(frozen=True, slots=True)
class Target:
    """A kernel, how programs run on it, and what it runs on.

    As a ``bzimage`` it is unpacked to a random address if it has KASLR; as a vmlinux it
    is where it was linked to. ``model`` is a CPU model of QEMU, ``linux`` a kernel of
    configs/kernels.toml; None stands for the usual one.
    """

    kernel: str
    ring: int
    syscall: str
    bzimage: bool = False
    model: str | None = None
    linux: str | None = None

    def __str__(self) -> str:
        version = (f"linux{self.linux}",) if self.linux else ()
        words = (*version, self.kernel.removeprefix("attack-"), f"ring{self.ring}", self.syscall)
        return "-".join((*words, *(("bzimage",) if self.bzimage else ()), *filter(None, (self.model,))))

    @property
    def cpus(self) -> int:
        """How many CPUs its machine has."""
        return 1 if self.kernel == "attack-up" else 2

    def build(self, workshop: Workshop, program: str, **choice: str) -> Image:
        """The image of a program for it."""
        return workshop.build(
            workshop.add_guest(program),
            profile=self.kernel,
            ring=self.ring,
            syscall=self.syscall,
            kernel=self.linux,
            bzimage=self.bzimage,
            **choice,
        )

    def start(self, image: Image, evidence: Path, *words: str) -> Vm:
        """Boot an image, with more words on the kernel's command line."""
        boot = Boot(
            machine=image.plan.machine,
            kernel=image.bzimage if self.bzimage else image.vmlinux,
            evidence=evidence,
            cmdline=(*image.plan.cmdline, NO_SMAP, WARNINGS, *words),
        )
        return Vm.start(boot, NativeQemu(replace(TCG, model=self.model)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one run of a program said. ``cases`` are ``pass``, ``skip`` or ``fail``, and why, by name."""

    outcome: Outcome
    ring: int | None
    gate: bool
    cpus: int
    address: int
    nmis: int
    cases: Mapping[str, str]
    trouble: tuple[str, ...]

    @classmethod
    def read(cls, vm: Vm, *, timeout_s: float) -> Report:
        """Wait for the end of the run, ``timeout_s`` at most, and read its console."""
        outcome = vm.wait(timeout_s=timeout_s)
        return cls.of(outcome, [line.text for line in vm.console.lines()])

    @classmethod
    def of(cls, outcome: Outcome, lines: Iterable[str]) -> Report:
        """Read a console."""
        lines = tuple(lines)
        about = next(filter(None, map(_ABOUT.search, lines)), None)
        nmis = next(filter(None, map(_NMIS.search, lines)), None)
        return cls(
            outcome=outcome,
            ring=int(about["ring"]) if about else None,
            gate=bool(about and int(about["hwcap2"], 0) & _HWCAP2_GATE),
            cpus=int(about["cpus"]) if about else 0,
            address=int(about["address"], 0) if about else 0,
            nmis=int(nmis[1]) if nmis else 0,
            cases={found[1]: found[2] + found[3] for line in lines if (found := _CASE.search(line))},
            trouble=tuple(line for line in lines if _TROUBLE.search(line)),
        )

    def complaints(self, target: Target, program: str) -> tuple[str, ...]:
        """All that isn't as it should be; nothing for a good run."""
        said = {case: self.cases.get(case, "never reported") for case in cases(program)}
        failed = [f"case {case}: {text}" for case, text in said.items() if not text.startswith(("pass", "skip"))]
        end = [] if self.outcome == Exited(0) else [self.outcome.explain()]
        return (*end, *self.not_as_built(target), *failed, *self.trouble)

    def not_as_built(self, target: Target) -> tuple[str, ...]:
        """In what the machine wasn't what its name says."""
        wanted = {"ring": target.ring, "gate": target.syscall != "trap", "cpus": target.cpus}
        found = {"ring": self.ring, "gate": self.gate, "cpus": self.cpus}
        return tuple(f"{name} is {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name])
