"""One boot of an image under the debugger and the counter, used as its manifest says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.core.errors import UsageError
from unilinux.core.files import explained_disk_errors
from unilinux.measure.boot.counter import counting, read_counts
from unilinux.measure.boot.kernel import Kernel
from unilinux.observe.constants import Constants
from unilinux.observe.coverage import KernelFunction, ObjectUse, coverage_plan, covered
from unilinux.observe.syscalls import SystemCall
from unilinux.observe.trace import DISPATCH, CallTracer, CallUse
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
    :raise VmError: the debugger lost the machine, or the counter's output.
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
            thread = threading.Thread(target=tracer.run, name="tracer", daemon=True)
            thread.start()
            try:
                use(vm)
            finally:
                vm.kill()  # ends the stub, and the tracer with it
                thread.join(_TRACER_END_S)
    if tracer.failure is not None:
        raise tracer.failure
    counts = read_counts(counts_file.read_text() if counts_file.exists() else "", plan)
    return Trace(calls=tracer.uses(), objects=covered(counts, plan, symbols.functions))
