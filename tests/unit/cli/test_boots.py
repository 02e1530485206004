# SPDX-License-Identifier: GPL-2.0-only
"""Staying with a machine in the foreground."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unilinux.cli.commands.boots import attend
from unilinux.cli.signals import EndedBySignalError
from unilinux.vm.outcome import Exited


class Machine:
    """A machine in front of which something happens."""

    def __init__(self, interruption: BaseException | None = None) -> None:
        self.interruption = interruption
        self.waited: list[float | None] = []
        self.stopped: list[str] = []

    def send(self, data: bytes) -> None: ...

    def wait(self, *, timeout_s: float | None) -> Exited:
        self.waited.append(timeout_s)
        if self.interruption is not None:
            raise self.interruption
        return Exited(3)

    def power_down(self, stop: str, *, grace_s: float) -> Exited:
        self.stopped.append(stop)
        return Exited(0)


def attended(machine: Machine, stop: str | None = "SIGQUIT") -> object:
    manifest = SimpleNamespace(run=SimpleNamespace(stop=stop))
    return attend(cast(Any, machine), cast(Any, SimpleNamespace(manifest=manifest)))


def test_a_machine_is_attended_without_a_limit() -> None:
    machine = Machine()
    assert attended(machine) == Exited(3)
    assert machine.waited == [None]
    assert not machine.stopped


def test_ctrl_c_asks_the_application_to_end() -> None:
    machine = Machine(KeyboardInterrupt())
    assert attended(machine) == Exited(0)
    assert machine.stopped == ["SIGQUIT"]


def test_ctrl_c_ends_a_machine_whose_application_has_no_stop_signal() -> None:
    with pytest.raises(KeyboardInterrupt):
        attended(Machine(KeyboardInterrupt()), stop=None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_the_application_to_end_and_then_ends_the_command(number: int) -> None:
    machine = Machine(EndedBySignalError(number))
    with pytest.raises(EndedBySignalError):
        attended(machine)
    assert machine.stopped == ["SIGQUIT"]
