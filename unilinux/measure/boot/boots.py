# SPDX-License-Identifier: GPL-2.0-only
"""Boots counted to the instruction, and timed.

Under ``-icount shift=0,sleep=off`` the guest's clock is its instruction count, so a
boot doesn't depend on the host, and two boots of one image agree exactly until
something from outside (a client) reaches the guest. Wall time is measured apart,
under plain TCG, and never asserted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.core.errors import BootError
from unilinux.core.files import explained_disk_errors
from unilinux.measure.boot.counter import counting, read_counts
from unilinux.measure.boot.exits import read_exits
from unilinux.measure.boot.kernel import Kernel
from unilinux.measure.boot.stages import Application, Stages, plan, stages
from unilinux.vm.engine import Boot, Engine, InstructionClock, Plugin
from unilinux.vm.gdbstub import GdbStub, StubListener
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

EXACT = InstructionClock()
"""The guest doesn't wait for timers, and nothing depends on the host."""

BootWith = Callable[[Plugin | None], None]
"""Boots the machine with this plugin, does with it what shall be measured, and returns
when the engine has ended by itself, by :meth:`Vm.quit` or by SIGTERM (a killed one
writes no counts)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """Seconds of the host's clock over several runs."""

    median_s: float
    least_s: float
    most_s: float
    runs: int

    def document(self) -> dict[str, Any]:
        """Plain JSON data, to the millisecond."""
        return {
            "median_s": round(self.median_s, 3),
            "least_s": round(self.least_s, 3),
            "most_s": round(self.most_s, 3),
            "runs": self.runs,
        }


def counted_boot(kernel: Kernel, application: Application, *, plugin: Path, folder: Path, boot: BootWith) -> Stages:
    """Boot once under the instruction counter; ``folder`` gets its plan, its counts and its log.

    :raise BootError: PID 1 never executed an instruction.
    :raise VmError: QEMU ended without writing the counts. What ``boot`` raises passes through.
    """
    what = replace(plan(kernel, application), exits=True)
    plan_file, counts_file, log = folder / "counter.plan", folder / "counter.counts", folder / "counter.log"
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        plan_file.write_text(what.text())
        counts_file.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
    boot(counting(plugin, plan_file, counts_file, log=log))
    counts = read_counts(counts_file.read_text() if counts_file.exists() else "", what)
    measured = stages(counts, kernel, read_exits(log.read_text(errors="replace") if log.exists() else ""))
    if measured.instructions("pid1") is None:
        last = measured.stages[-1].name if measured.stages else "reset"
        raise BootError(
            f"the boot was counted, but PID 1 was never reached: the last stage that was over is {last!r}",
            hint="when the image is known to boot: its System.map belongs to another vmlinux, or it needs nokaslr",
        )
    return measured


def booted(boot: Boot, engine: Engine, drive: Callable[[Vm], object], *, clock: InstructionClock = EXACT) -> BootWith:
    """Boots with a :class:`Vm` that ``drive`` uses and ends: :func:`to_the_end`, :func:`quit_after`."""

    def run(plugin: Plugin | None) -> None:
        with Vm.start(replace(boot, clock=clock, plugin=plugin), engine) as vm:
            drive(vm)

    return run


@contextmanager
def debugged(boot: Boot, engine: Engine) -> Iterator[tuple[Vm, GdbStub]]:
    """A machine that runs as it does when it is counted, held at reset by a debugger."""
    with StubListener() as listener:
        held = replace(boot, clock=EXACT, debugger=listener.path)
        with Vm.start(held, engine, held=True) as vm, listener.accept() as stub:
            yield vm, stub


def to_the_end(timeout_s: float) -> Callable[[Vm], None]:
    """Drives an application that ends by itself.

    :raise BootError: when run, if it doesn't end in time, or not as PID 1 should.
    """

    def drive(vm: Vm) -> None:
        outcome = vm.wait(timeout_s=timeout_s)
        if not isinstance(outcome, Exited):
            raise vm.failure(outcome)

    return drive


def quit_after(use: Callable[[Vm], None], *, timeout_s: float) -> Callable[[Vm], None]:
    """Drives a server: ``use`` waits for it and asks it something, then the engine is told to quit."""

    def drive(vm: Vm) -> None:
        use(vm)
        vm.quit()
        vm.wait(timeout_s=timeout_s)

    return drive


def timed_boots(boot: Callable[[], float], runs: int) -> Wall:
    """Median and spread of ``runs`` boots; ``boot`` says how many seconds each took.

    :raise ValueError: ``runs`` is less than 1.
    """
    if runs < 1:
        raise ValueError("at least one run is needed")
    seconds = [boot() for _ in range(runs)]
    return Wall(median_s=statistics.median(seconds), least_s=min(seconds), most_s=max(seconds), runs=runs)


def disagreements(measured: Sequence[Stages], *, until: str = "main") -> tuple[str, ...]:
    """What differs between repeats, up to the stage ``until``: empty when they agree to the instruction and exit."""
    found = []
    for stage in measured[0].stages:
        seen = [one.instructions(stage.name) for one in measured]
        if len(set(seen)) > 1:
            found.append(f"{stage.name}: {', '.join(f'{count:,}' if count else 'not reached' for count in seen)}")
        exits = [one.exits.get(stage.name, {}) for one in measured]
        for cause in sorted({cause for one in exits for cause in one}):
            times = [one.get(cause, 0) for one in exits]
            if len(set(times)) > 1:
                found.append(f"{stage.name}: exits for {cause}: {', '.join(map(str, times))}")
        if stage.name == until:
            break
    return tuple(found)
