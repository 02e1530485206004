# SPDX-License-Identifier: GPL-2.0-only
"""A machine that QEMU keeps but runs no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.unit.vm.fake import FakeEngine, FakeGuest
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Stopped, Timeout
from unilinux.vm.vm import Vm

STOPPED = {"query-status": {"return": {"status": "internal-error", "running": False}}}
EMULATION_FAILURE = ("KVM internal error. Suberror: 1", "extra data[0]: 0x0000000000000001", "emulation failure")


def stops(emulator: FakeGuest) -> None:
    """A machine that KVM can't run on: QEMU says so, and keeps it."""
    emulator.said = EMULATION_FAILURE
    emulator.say("[    0.31] setting up\n")
    emulator.event("STOP")


def test_a_machine_that_kvm_fails_on_is_told_at_once(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(stops, STOPPED)) as vm:
        outcome = vm.wait(timeout_s=1000)
        error = vm.failure(outcome)
        assert vm.watch("ready", timeout_s=1000) == vm.wait_started(timeout_s=1000) == vm.end == outcome
    assert outcome == Stopped("internal-error", "KVM internal error. Suberror: 1, emulation failure")
    assert error.message == (
        "QEMU stopped the machine (internal-error): KVM internal error. Suberror: 1, emulation failure"
    )
    assert error.details == ("[    0.31] setting up", *EMULATION_FAILURE)
    assert str(error.hint).startswith("KVM does not get on with this guest; without KVM: --accel tcg; ")
    told = json.loads((boot.evidence / "boot.json").read_text())["outcome"]
    assert (told["kind"], told["state"]) == ("Stopped", "internal-error")


def test_what_the_kernel_reported_before_counts(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports("init\nexit 3\n")
        stops(emulator)

    with Vm.start(boot, FakeEngine(guest, STOPPED)) as vm:
        assert vm.wait(timeout_s=1000) == Exited(3)


def test_a_machine_that_is_only_paused_has_not_ended(boot: Boot) -> None:
    paused = {"query-status": {"return": {"status": "paused", "running": False}}}
    with Vm.start(boot, FakeEngine(lambda guest: guest.event("STOP"), paused)) as vm:
        assert isinstance(vm.wait(timeout_s=0.05), Timeout)


def test_nobody_asks_why_a_debugger_stops_the_machine(boot: Boot, tmp_path: Path) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.event("STOP")
        emulator.exit(0, "exit 0\n")

    engine = FakeEngine(guest, STOPPED)
    with Vm.start(replace(boot, debugger=tmp_path / "gdb"), engine) as vm:
        assert vm.wait(timeout_s=1000) == Exited(0)
    assert engine.guest is not None
    assert "query-status" not in [message["execute"] for message in engine.guest.commands]
