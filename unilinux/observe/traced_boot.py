# SPDX-License-Identifier: GPL-2.0-only
"""One boot of an image under the debugger and the counter, used as its manifest says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.core.errors import UniLinuxError, UsageError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.measure.boot.counter import counting, read_counts
from unilinux.measure.boot.kernel import Kernel
from unilinux.observe.constants import Constants
from unilinux.observe.coverage import DISPATCH, KernelFunction, ObjectUse, coverage_plan, covered
from unilinux.observe.syscalls import SystemCall
from unilinux.observe.trace import CallTracer, CallUse
from unilinux.observe.unwind import Unwinder
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.gdbstub import StubListener
from unilinux.vm.vm import Vm

_TRACER_END_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSymbols:
    """What is known of an image: its kernel's symbols and functions, its system calls, its programs by their paths."""

    kernel: Kernel
    functions: tuple[KernelFunction, ...]
    table: Mapping[int, SystemCall]
    constants: Constants
    programs: Mapping[str, Unwinder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was seen."""

    calls: tuple[CallUse, ...]
    objects: tuple[ObjectUse, ...]


def traced_boot(boot: Boot, engine: Engine, symbols: GuestSymbols, *, plugin: Path, use: Callable[[Vm], None]) -> Trace:
    """Boot once and record; ``use`` drives the machine to its end, and raises when it doesn't do what it should.

    :raise UsageError: the kernel has no function that all system calls pass.
    :raise VmError: the debugger lost the machine or didn't see every system call, or the counter's output is missing.
    """
    dispatch = symbols.kernel.symbols.get(DISPATCH)
    if dispatch is None:
        raise UsageError(f"this kernel has no {DISPATCH}, so its system calls cannot be observed", hint="use --ring 3")
    plan = coverage_plan(symbols.kernel, symbols.functions)
    plan_file, counts_file = boot.evidence / "coverage.plan", boot.evidence / "coverage.counts"
    with explained_disk_errors(boot.evidence):
        boot.evidence.mkdir(parents=True, exist_ok=True)
        plan_file.write_text(plan.text())
        counts_file.unlink(missing_ok=True)
    with StubListener() as listener:
        observed = replace(boot, plugin=counting(plugin, plan_file, counts_file), debugger=listener.path)
        with Vm.start(observed, engine, held=True) as vm:
            tracer = CallTracer(
                listener.accept(),
                dispatch,
                table=symbols.table,
                constants=symbols.constants,
                programs=symbols.programs,
            )
            drive(vm, tracer, use)
    counts = read_counts(counts_file.read_text() if counts_file.exists() else "", plan)
    require_complete(made=counts.hits["calls"], seen=tracer.entered)
    return Trace(calls=tracer.uses(), objects=covered(counts, plan, symbols.functions))


def require_complete(*, made: int, seen: int) -> None:
    """Check that the debugger saw every system call that the counter counted.

    :raise VmError: it didn't.
    """
    if made != seen:
        raise VmError(
            f"the observation is incomplete: the guest made {made} system calls, and the debugger saw {seen} of them",
            hint="nothing was stored: start the same command again",
        )


def drive(vm: Vm, tracer: CallTracer, use: Callable[[Vm], None]) -> None:
    """Use the machine while it is traced, and end it.

    :raise Exception: the tracer's failure, if there is one: it ended the machine, whatever ``use`` made of that.
    """

    def trace() -> None:
        tracer.run()
        if tracer.failure is not None:
            vm.guest.kill()  # it stands still, and use() would wait for it in vain

    thread = threading.Thread(target=trace, name="tracer", daemon=True)
    thread.start()
    try:
        use(vm)
    except UniLinuxError as error:
        vm.kill()
        thread.join(_TRACER_END_S)
        if tracer.failure is not None:
            raise tracer.failure from error
        raise
    vm.kill()  # ends the stub, and the tracer with it
    thread.join(_TRACER_END_S)
    if tracer.failure is not None:
        raise tracer.failure
    if thread.is_alive():
        raise VmError(f"the debugger was still at work {_TRACER_END_S:g} s after the machine had ended")
