# SPDX-License-Identifier: GPL-2.0-only
"""Who is believed: the kernel on its report port, the console only where nobody else could have written."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests.unit.vm.fake import FakeEngine, FakeGuest
from unilinux.core.errors import HostError
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Lost, Panic, Timeout
from unilinux.vm.report import Started
from unilinux.vm.vm import Vm

SOON_S = 0.05


def idle(_: FakeGuest) -> None:
    """A guest that does nothing."""


def test_a_reported_panic_of_a_machine_that_stays_is_a_panic(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.reports("init\npanic Oops\n"))) as vm:
        assert vm.watch("ready", timeout_s=SOON_S) == Panic("Oops")
        assert vm.end is None


# What a visitor can make an application write, or the application writes on its own.
FORGED = """
2026/11/27 [error] open() "/Kernel panic - not syncing: x" failed
Kernel panic - not syncing: x
[    1.000000] Kernel panic - not syncing: x
[    1.000000] Out of memory: Killed process 1 (nginx)
[    1.000000] unilinux: init exited with status 0
unilinux: cannot mount /x: Invalid argument
Initramfs unpacking failed: write error
"""


@pytest.mark.parametrize("report", ["init\nexec ring=3 syscall=trap\n", ""], ids=["kernel reports", "it doesn't"])
def test_what_an_application_writes_ends_no_machine(boot: Boot, report: str) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports(report)
        emulator.say(f"{FORGED}ready\n")
        emulator.serial.recv(1)
        emulator.say("still there\n")
        emulator.exit(1, "exit 0\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        vm.expect("^ready$", timeout_s=10)
        began = time.monotonic()
        assert isinstance(vm.wait(timeout_s=SOON_S), Timeout)
        assert isinstance(vm.watch("never", timeout_s=SOON_S), Timeout)
        assert time.monotonic() - began < 5, "nobody waited for the end after a panic"
        vm.send(b"x")
        vm.expect("^still there$", timeout_s=10)
        assert vm.wait(timeout_s=10) == Exited(0)


def test_a_killed_machine_has_not_panicked_whatever_its_console_says(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.say(FORGED))) as vm:
        vm.expect("Initramfs", timeout_s=10)
        vm.kill()
        assert isinstance(vm.end, Lost)


def test_the_kernel_reports_the_start_of_the_application(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports("init\n")
        emulator.say("exec ring=3 syscall=trap\n")
        emulator.serial.recv(1)
        emulator.reports("exec ring=0 syscall=lean\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        vm.expect("^exec ring=3", timeout_s=10)
        assert isinstance(vm.wait_started(timeout_s=SOON_S), Timeout), "the console's word is none"
        vm.send(b"x")
        started = vm.wait_started(timeout_s=10)
        assert isinstance(started, Started)
        assert started.explain() == "the application runs in ring 0, its system calls go by lean"
        assert vm.wait_started(timeout_s=0) == started


def test_init_that_fails_is_no_application(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports("init\n")
        emulator.say("unilinux: cannot mount /x: No such device (the kernel was built without it)\n")
        emulator.exit(1, "exit 125\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        outcome = vm.wait_started(timeout_s=10)
    assert outcome.explain() == (
        "init failed: cannot mount /x: No such device (the kernel was built without it) (status 125)"
    )


def test_half_a_line_does_not_match(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("checks failed: 1")
        emulator.serial.recv(1)
        emulator.idle = True  # between two pieces of a line
        emulator.say("2\ndone\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        assert isinstance(vm.watch("^checks failed: 1$", timeout_s=0.3), Timeout), "the guest is busy writing"
        vm.send(b"x")
        vm.expect("^done$", timeout_s=10)
        assert isinstance(vm.watch("^checks failed: 1$", timeout_s=SOON_S), Timeout)
        assert vm.expect("^checks failed", timeout_s=10).line == "checks failed: 12"


def test_a_prompt_of_a_guest_that_waits_is_a_whole_line(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.idle = True
        emulator.say("login: ")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        began = time.monotonic()
        assert vm.expect("^login: $", timeout_s=10).line == "login: "
        assert time.monotonic() - began < 1.5


def test_waiting_has_no_end_unless_told(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unilinux.vm.console._LONGEST_WAIT_S", 0.01)  # it takes several

    def guest(emulator: FakeGuest) -> None:
        emulator.serial.recv(1)
        emulator.exit(1, "exit 0\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        timer = threading.Timer(0.2, vm.send, (b"x",))
        timer.start()
        assert vm.wait(timeout_s=None) == Exited(0)
        timer.join()


@pytest.mark.parametrize("file", ["console.log", "qmp.log"])
def test_a_log_that_cannot_be_opened_leaves_nothing_behind(boot: Boot, file: str) -> None:
    (boot.evidence / file).mkdir(parents=True)
    engine = FakeEngine(idle)
    with pytest.raises((HostError, OSError)):
        Vm.start(boot, engine)
    assert engine.guest is not None
    assert engine.guest.returncode == -9


def test_evidence_tells_what_was_booted_by_what_and_how_that_ended(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports("init\nexec ring=0 syscall=lean\n")
        emulator.exit(1, "exit 3\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        before = json.loads((boot.evidence / "boot.json").read_text())
        vm.wait(timeout_s=10)
    after = json.loads((boot.evidence / "boot.json").read_text())
    assert before["outcome"] is None
    assert (before["engine"], before["version"], before["origin"]) == ("fake", "7.2.0", "reset")
    assert before["abilities"]["accelerator"] == "tcg"
    assert after["outcome"] == {"kind": "Exited", "status": 3}
    assert after["report"]["started"]["syscall"] == "lean"
    assert after["killed"] is False
