# SPDX-License-Identifier: GPL-2.0-only
"""A traced machine whose tracer fails, and one that is only half seen."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

import pytest

from unilinux.core.errors import BootError, VerifyError, VmError
from unilinux.observe import traced_boot
from unilinux.observe.trace import CallTracer
from unilinux.observe.traced_boot import drive, require_complete
from unilinux.vm.vm import Vm


class Machine:
    """Runs until it is killed."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.guest = SimpleNamespace(kill=self.ended.set)

    def kill(self) -> None:
        self.ended.set()


class Tracer:
    """Fails at once, or works until the machine ends, or longer."""

    def __init__(self, machine: Machine, failure: Exception | None = None, *, hangs: bool = False) -> None:
        self.machine, self.hangs = machine, hangs
        self.failure: Exception | None = None
        self._later = failure

    def run(self) -> None:
        if self._later is None:
            self.machine.ended.wait(10)
            if self.hangs:
                threading.Event().wait(1)
        self.failure = self._later


def waits(vm: object) -> None:
    assert cast(Machine, vm).ended.wait(10), "nobody ended the machine that its tracer had left stopped"
    raise BootError("the machine was lost")


@pytest.mark.parametrize("failure", [VmError("the stub refused"), LookupError("a bug")], ids=["error", "bug"])
def test_a_tracer_that_fails_ends_the_machine_and_is_told(failure: Exception) -> None:
    machine = Machine()
    with pytest.raises(type(failure)) as caught:
        drive(cast(Vm, machine), cast(CallTracer, Tracer(machine, failure)), waits)
    assert caught.value is failure


def test_a_failure_after_the_last_answer_is_told_too() -> None:
    machine = Machine()
    failure = VmError("the stub refused")
    with pytest.raises(VmError, match="the stub refused"):
        drive(cast(Vm, machine), cast(CallTracer, Tracer(machine, failure)), lambda vm: None)


def test_an_application_that_fails_is_not_blamed_on_the_tracer() -> None:
    machine = Machine()

    def fails(vm: object) -> None:
        raise VerifyError("checks failed")

    with pytest.raises(VerifyError, match="checks failed"):
        drive(cast(Vm, machine), cast(CallTracer, Tracer(machine)), fails)
    assert machine.ended.is_set()


def test_a_tracer_that_does_not_end_has_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced_boot, "_TRACER_END_S", 0.05)
    machine = Machine()
    with pytest.raises(VmError, match="still at work"):
        drive(cast(Vm, machine), cast(CallTracer, Tracer(machine, hangs=True)), lambda vm: None)


def test_a_call_that_the_debugger_missed_makes_it_incomplete() -> None:
    require_complete(made=17, seen=17)
    with pytest.raises(VmError, match="the guest made 17 system calls, and the debugger saw 16 of them") as caught:
        require_complete(made=17, seen=16)
    assert caught.value.hint == "nothing was stored: start the same command again"
