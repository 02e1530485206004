# SPDX-License-Identifier: GPL-2.0-only
"""Test a kernel by booting it: the manifest's checks, a timer that ticks, a console that shows the same lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from unilinux.core.errors import BootError
from unilinux.image.request import Plan
from unilinux.verify.result import CheckResult, Entry
from unilinux.verify.stop import Stop
from unilinux.verify.verify import check_machine
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

# What hello, which tests the clock, prints after sleeping.
_TICK = "10 ms have passed"
# Digits and addresses differ from run to run.
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")
# The terminal's echo of the key that stops an application: it appears in the middle of some line.
_ECHO = re.compile(r"\^[C\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootTestResult:
    """The result of one boot.

    ``failure`` is empty if all was well; ``said`` are the console's lines without their numbers.
    """

    failure: str
    said: frozenset[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether all was well."""
        return not self.failure


class BootTest(Protocol):
    """Boots kernels and checks what they do."""

    def run(self, vmlinux: Path, *, timeout_s: float) -> BootTestResult:
        """Boot, check, stop; ``timeout_s`` is for each check, and what is late fails.

        :raise HostError: the host lacks something: QEMU, a free port.
        """


class _FailedError(Exception):
    def __init__(self, result: CheckResult) -> None:
        super().__init__(result.detail)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBootTest:
    """Tests an image with the checks of its application's manifest.

    ``tick`` holds the files of an application that sleeps on a timer and ends, as an initrd: booted
    in the same kernel, it shows that the clock ticks, which a server's answers don't.
    None if the application itself does so.
    """

    plan: Plan
    engine: Engine
    evidence: Path
    tick: Path | None

    def run(self, vmlinux: Path, *, timeout_s: float) -> BootTestResult:
        """See :class:`BootTest`."""
        boot = self._application(vmlinux, timeout_s)
        if not boot.ok or self.tick is None:
            return boot
        failure = self._clock(vmlinux, self.tick, timeout_s)
        return BootTestResult(failure=failure, said=boot.said, seconds=boot.seconds)

    def _boot(self, vmlinux: Path, kind: str) -> Boot:
        return Boot(machine=self.plan.machine, kernel=vmlinux, evidence=self.evidence / kind, cmdline=self.plan.cmdline)

    def _application(self, vmlinux: Path, timeout_s: float) -> BootTestResult:
        manifest, entry = self.plan.app.manifest, self.plan.entry
        try:
            with Vm.start(self._boot(vmlinux, "trial"), self.engine) as vm:
                try:
                    check_machine(
                        vm,
                        manifest.all_checks,
                        Stop.of(manifest.run),
                        entry=Entry(ring=entry.ring, syscall=entry.syscall_of(manifest.main)),
                        timeout_s=timeout_s,
                        on_result=_require,
                    )
                    failure = ""
                except _FailedError as failed:
                    failure = f"{failed.result.kind}: {failed.result.detail}"
                seconds = vm.elapsed_s
                vm.kill()
                return BootTestResult(
                    failure=failure, said=plain_lines(line.text for line in vm.console.lines()), seconds=seconds
                )
        except BootError as error:  # the kernel alone is larger than the memory
            return BootTestResult(failure=error.message, said=frozenset(), seconds=0.0)

    def _clock(self, vmlinux: Path, tick: Path, timeout_s: float) -> str:
        # The kernel unpacks it over the initramfs inside.
        boot = replace(self._boot(vmlinux, "clock"), initrd=tick)
        with Vm.start(boot, self.engine) as vm:
            outcome = vm.wait(timeout_s=timeout_s, awaited="the end of a nap of 10 ms")
            if outcome == Exited(0) and any(_TICK in line.text for line in vm.console.lines()):
                return ""
            return f"the clock: {outcome.explain()}"


def plain_lines(lines: Iterable[str]) -> frozenset[str]:
    """Lines of a console without what differs from run to run; blank ones left out."""
    plain = (_VARIABLE.sub("#", _ECHO.sub("", line)).strip() for line in lines)
    return frozenset(line for line in plain if line)


def _require(result: CheckResult) -> None:
    # The first failure decides: the other checks would only take time.
    if not result.ok:
        raise _FailedError(result)
