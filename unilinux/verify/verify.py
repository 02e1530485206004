# SPDX-License-Identifier: GPL-2.0-only
"""Boot an image, run the checks of its manifest, stop it, and say how all that went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unilinux.app.checks.console import ConsoleCheck, ExitCheck
from unilinux.app.checks.kinds import AskedCheck, Check
from unilinux.app.manifest import Manifest
from unilinux.core.errors import UniLinuxError
from unilinux.core.events import Progress
from unilinux.verify.askers import attempt_of
from unilinux.verify.attempts import Verdict, ask
from unilinux.verify.result import CheckResult, Entry, Verification
from unilinux.verify.stop import Stop
from unilinux.vm.diagnosis import hint_for
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import Exited, InitFailed, Lost, Outcome, OutOfMemory, Panic, Ready, Stopped, Timeout
from unilinux.vm.report import Started
from unilinux.vm.vm import Vm

DEFAULT_TIMEOUT_S = 60.0

_TAIL_LINES = 20


def verify(
    boot: Boot,
    engine: Engine,
    manifest: Manifest,
    *,
    entry: Entry,
    progress: Progress,
    timeout_s: float | None = None,
    look: str = "",
) -> Verification:
    """Boot, check, stop. ``boot``'s machine must forward the ports that are checked.

    ``entry`` is the ring and the kind of system call that the image was built for,
    which the kernel must confirm. ``timeout_s`` is for each check; without it, each has its own.
    ``look`` is the command that starts the same machine on a terminal.

    :raise HostError: the host lacks something: QEMU, a free port.
    :raise VmError: the engine didn't start.
    :raise BootError: the kernel doesn't even fit into the machine's memory.
    """
    with (
        progress.step("verify", f"verifying {manifest.name}") as step,
        Vm.start(boot, engine) as vm,
    ):
        return check_machine(
            vm,
            manifest.verify,
            Stop.of(manifest.run),
            entry=entry,
            timeout_s=timeout_s,
            look=look,
            on_result=lambda it: step.detail(it.detail),
        )


def check_machine(
    vm: Vm,
    checks: Sequence[Check],
    stop: Stop | None,
    *,
    entry: Entry | None = None,
    timeout_s: float | None = None,
    look: str = "",
    on_result: Callable[[CheckResult], None] = lambda _: None,
) -> Verification:
    """Run checks in order on a started machine, then stop it; without ``entry`` nothing is asked about the ring."""
    session = _Session(vm, timeout_s, look, on_result)
    if entry is not None:
        session.confirm(entry)
    for check in checks:
        session.run(check)
    if stop is not None:
        session.stop(stop)
    return Verification(
        checks=tuple(session.results),
        console_tail=vm.console.tail(_TAIL_LINES),
        console_log=vm.console_log,
        entry=session.entry,
        trouble=session.trouble,
        advice=None if vm.end is None else hint_for(vm.end, [line.text for line in vm.console.lines()]),
        look=look,
    )


class _Session:
    def __init__(self, vm: Vm, timeout_s: float | None, look: str, on_result: Callable[[CheckResult], None]) -> None:
        self.results: list[CheckResult] = []
        self.trouble: UniLinuxError | None = None
        self.entry: Entry | None = None
        self._vm = vm
        self._timeout_s = timeout_s
        self._look = look
        self._on_result = on_result

    def confirm(self, entry: Entry) -> None:
        """Compare what the kernel reports of ring and system calls with what the image was built for."""
        outcome = self._vm.wait_started(timeout_s=self._limit_s)
        if isinstance(outcome, Started):
            self.entry = Entry(ring=outcome.ring, syscall=outcome.syscall)
            detail = outcome.explain()
            if self.entry != entry:
                detail += f"; the image was built for ring {entry.ring}, syscall {entry.syscall}"
            self._add("ring", Verdict(ok=self.entry == entry, detail=detail))
        else:
            self._add("ring", Verdict(ok=False, detail=outcome.explain()))
            self._mind(outcome)

    def run(self, check: Check) -> None:
        """Run one check, unless the machine is in trouble."""
        if self.trouble is not None:
            self._add(check.kind, Verdict(ok=False, detail="not reached"))
        elif isinstance(check, ConsoleCheck):
            limit_s = self._timeout_s or check.timeout_s
            outcome = self._vm.watch(check.pattern, timeout_s=limit_s)
            self._add(check.kind, Verdict(ok=isinstance(outcome, Ready), detail=outcome.explain()))
            self._mind(outcome)
        elif isinstance(check, ExitCheck):
            outcome = self._vm.wait(timeout_s=self._limit_s)
            ok, expected = outcome == Exited(check.status), f"exit status {check.status}"
            self._add(check.kind, _verdict(outcome, ok=ok, expected=expected))
            self._mind(outcome)
        elif self._vm.end is not None:
            self._add(check.kind, Verdict(ok=False, detail="not reached: the machine had ended"))
        else:
            self._add(check.kind, self._asked(check))
            self._mind(self._vm.end)

    def stop(self, stop: Stop) -> None:
        """Ask the server to end, and expect its exit status."""
        if self.trouble is not None or self._vm.end is not None:
            self._add("stop", Verdict(ok=False, detail="not reached: there was nothing to stop any more"))
            return
        outcome = self._vm.power_down(stop.signal, grace_s=self._limit_s)
        verdict = _verdict(outcome, ok=stop.fits(outcome), expected=stop.expected)
        self._add("stop", Verdict(ok=verdict.ok, detail=f"{stop.signal}: {verdict.detail}"))
        if not isinstance(outcome, Timeout):
            self._mind(outcome)

    @property
    def _limit_s(self) -> float:
        return self._timeout_s or DEFAULT_TIMEOUT_S

    def _asked(self, check: AskedCheck) -> Verdict:
        return ask(self._vm, check.port, attempt_of(check), timeout_s=self._limit_s)

    def _mind(self, outcome: Outcome | None) -> None:
        """Note an outcome that no check asks for: the machine failed, not the application."""
        if isinstance(outcome, Panic | InitFailed | OutOfMemory | Stopped | Lost | Timeout):
            self.trouble = self._vm.failure(outcome)
            if self._look:
                self.trouble.hint = f"{self.trouble.hint}; look inside: {self._look}"

    def _add(self, kind: str, verdict: Verdict) -> None:
        result = CheckResult(kind=kind, ok=verdict.ok, detail=verdict.detail, seconds=self._vm.elapsed_s)
        self.results.append(result)
        self._on_result(result)


def _verdict(outcome: Outcome, *, ok: bool, expected: str) -> Verdict:
    return Verdict(ok=ok, detail=outcome.explain() if ok else f"{outcome.explain()}; expected {expected}")
