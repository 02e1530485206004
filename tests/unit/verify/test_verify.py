# SPDX-License-Identifier: GPL-2.0-only
"""A machine's checks, one after the other, and its stop."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.unit.verify.conftest import StartVm
from tests.unit.verify.server import hang_up, reply, serving
from tests.unit.vm.fake import FakeGuest
from unilinux.app.checks.console import ConsoleCheck, ExitCheck
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.kinds import Check
from unilinux.app.checks.tcp import TcpCheck
from unilinux.core.errors import BootError, VerifyError
from unilinux.verify.result import CheckResult, Entry, Verification
from unilinux.verify.stop import Stop
from unilinux.verify.verify import check_machine

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
STARTED = "init\nexec ring=0 syscall=lean\n"
HTTP = HttpCheck(kind="http", port=80)
TCP = TcpCheck(kind="tcp", port=80)


def found(verification: Verification) -> list[tuple[str, bool]]:
    return [(check.kind, check.ok) for check in verification.checks]


def server(emulator: FakeGuest) -> None:
    """A guest that ends on a break."""
    emulator.say("listening\n")
    emulator.reports(STARTED)
    if emulator.breaks.wait(10):
        emulator.exit(1, "stop 2\nexit 0\n")


def test_application_that_prints_and_exits(start_vm: StartVm) -> None:
    def hello(emulator: FakeGuest) -> None:
        emulator.say("Hello\n")
        emulator.exit(1, "exit 0\n")

    checks: list[Check] = [ConsoleCheck(kind="console", pattern="^Hello$"), ExitCheck(kind="exit")]
    seen: list[CheckResult] = []
    verification = check_machine(start_vm(hello, {}), checks, None, timeout_s=10, on_result=seen.append)
    assert verification.ok
    verification.require()
    assert found(verification) == [("console", True), ("exit", True)]
    assert tuple(seen) == verification.checks
    described = verification.describe()
    assert described["ok"] is True
    assert described["checks"][1]["detail"] == "the application exited with status 0"


def test_other_exit_status(start_vm: StartVm) -> None:
    def hello(emulator: FakeGuest) -> None:
        emulator.say("cannot open it\n")
        emulator.exit(7, "exit 3\n")

    verification = check_machine(
        start_vm(hello, {}), [ExitCheck(kind="exit")], None, timeout_s=10, look="./x run --app hello"
    )
    with pytest.raises(VerifyError) as caught:
        verification.require()
    assert caught.value.message == "1 of 1 checks failed"
    assert caught.value.details == (
        "exit: the application exited with status 3; expected exit status 0",
        "the end of the console:",
        "cannot open it",
    )
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("look inside: ./x run --app hello; the logs are in ")


def test_server_that_answers_and_stops(start_vm: StartVm) -> None:
    with serving(reply(OK)) as port:
        verification = check_machine(start_vm(server, {80: port}), [TCP, HTTP], Stop("SIGINT", 0), timeout_s=10)
    assert verification.ok, verification
    assert found(verification) == [("tcp", True), ("http", True), ("stop", True)]
    assert verification.checks[2].detail == "SIGINT: the application exited with status 0"


def test_server_that_is_late_is_asked_again(start_vm: StartVm) -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(hang_up, reset, hang_up, reply(OK)) as port:
        verification = check_machine(start_vm(server, {80: port}), [HTTP], None, timeout_s=10)
    assert verification.ok, verification


def test_server_that_never_answers(start_vm: StartVm) -> None:
    with serving(hang_up) as port:
        verification = check_machine(start_vm(server, {80: port}), [HTTP], Stop("SIGINT", 0), timeout_s=0.3)
    assert found(verification) == [("http", False), ("stop", True)]
    assert verification.checks[0].detail.startswith("port 80: no answer within 0.3 s, in ")


def test_server_that_does_not_stop_is_reported(start_vm: StartVm) -> None:
    def deaf(emulator: FakeGuest) -> None:
        emulator.reports(f"{STARTED}stop 3\n")

    verification = check_machine(start_vm(deaf, {}), [], Stop("SIGQUIT", 0), timeout_s=0.05)
    assert found(verification) == [("stop", False)]
    assert verification.checks[0].detail == (
        "SIGQUIT: the end of the application after SIGQUIT did not come within 0.05 s; "
        "the machine was still running; expected exit status 0"
    )


@pytest.mark.parametrize(
    ("status", "end", "ok"),
    [
        (None, "exit 0", True),
        (None, "signal 15", True),
        (None, "signal 9", False),
        (None, "exit 1", False),
        (0, "signal 15", False),
        (3, "exit 3", True),
        (3, "exit 0", False),
    ],
)
def test_ends_that_are_in_order(start_vm: StartVm, status: int | None, end: str, ok: bool) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports(STARTED)
        if emulator.breaks.wait(10):
            emulator.exit(1, f"stop 15\n{end}\n")

    check = check_machine(start_vm(guest, {}), [], Stop("SIGTERM", status), timeout_s=10).checks[0]
    assert check.ok == ok
    wanted = {None: "expected exit status 0 or SIGTERM", 0: "expected exit status 0", 3: "expected exit status 3"}
    assert check.detail.endswith(wanted[status]) != ok


def test_server_that_dies_ends_the_waiting(start_vm: StartVm) -> None:
    with serving(hang_up) as port:
        vm = start_vm(lambda emulator: emulator.exit(3, "exit 1\n"), {80: port})
        verification = check_machine(vm, [HTTP], Stop("SIGINT", 0), timeout_s=1000)
    assert found(verification) == [("http", False), ("stop", False)]
    assert verification.checks[0].detail == "port 80: the application exited with status 1"
    assert verification.checks[1].detail == "not reached: there was nothing to stop any more"


def test_panic_ends_it_all_and_is_a_boot_error(start_vm: StartVm) -> None:
    def panic(emulator: FakeGuest) -> None:
        emulator.say("Kernel panic - not syncing: Oops\n")
        emulator.restart()

    checks: list[Check] = [ConsoleCheck(kind="console", pattern="Hello"), ExitCheck(kind="exit")]
    verification = check_machine(start_vm(panic, {}), checks, Stop("SIGINT", 0), timeout_s=1000)
    assert found(verification) == [("console", False), ("exit", False), ("stop", False)]
    assert verification.checks[1].detail == "not reached"
    with pytest.raises(BootError, match="the kernel panicked: Oops"):
        verification.require()
    assert verification.describe()["trouble"] == "the kernel panicked: Oops"


def test_boot_that_hangs_is_a_boot_error(start_vm: StartVm) -> None:
    checks: list[Check] = [ConsoleCheck(kind="console", pattern="Hello")]
    vm = start_vm(lambda guest: guest.say("booting\n"), {})
    verification = check_machine(vm, checks, None, timeout_s=0.1, look="./x run --app hello")
    with pytest.raises(BootError, match="the line 'Hello' did not come within 0.1 s") as caught:
        verification.require()
    assert caught.value.details == ("booting",)
    assert str(caught.value.hint).endswith("; look inside: ./x run --app hello")


def test_panic_while_asking(start_vm: StartVm) -> None:
    def panic(emulator: FakeGuest) -> None:
        emulator.say("Kernel panic - not syncing: Oops\n")
        emulator.restart()

    with serving(hang_up) as port:
        verification = check_machine(start_vm(panic, {80: port}), [HTTP], Stop("SIGINT", 0), timeout_s=1000)
    assert verification.checks[0].detail == "port 80: the kernel panicked: Oops"
    assert verification.trouble is not None


def test_a_panic_by_a_request_is_a_boot_error(start_vm: StartVm) -> None:
    """The connection ends when the server has the request; a moment later the machine has ended, too."""
    asked = threading.Event()

    def guest(emulator: FakeGuest) -> None:
        asked.wait(60)
        emulator.say("Kernel panic - not syncing: Oops\n")
        emulator.restart()

    def crash(connection: socket.socket) -> None:
        connection.recv(4096)
        asked.set()

    post = HttpCheck(kind="http", port=80, method="POST")
    with serving(crash) as port:
        verification = check_machine(start_vm(guest, {80: port}), [post], Stop("SIGINT", 0), timeout_s=1000)
    assert verification.checks[0].detail == (
        "POST / on port 80: no answer (the connection ended without an answer); the kernel panicked: Oops"
    )
    with pytest.raises(BootError, match="the kernel panicked: Oops"):
        verification.require()


def test_init_that_fails_is_told_once(start_vm: StartVm) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.reports("init\n")
        emulator.say("unilinux: cannot enter /nowhere: No such file or directory\n")
        emulator.exit(1, "exit 125\n")

    checks: list[Check] = [ConsoleCheck(kind="console", pattern="Hello"), HTTP, ExitCheck(kind="exit")]
    verification = check_machine(start_vm(guest, {}), checks, Stop("SIGINT", 0), entry=Entry(0, "lean"), timeout_s=1000)
    said = [(check.kind, check.detail) for check in verification.checks]
    assert said[0] == ("ring", "init failed: cannot enter /nowhere: No such file or directory (status 125)")
    assert [detail.partition(":")[0] for _, detail in said[1:]] == ["not reached"] * 4
    with pytest.raises(BootError, match="init failed: cannot enter /nowhere"):
        verification.require()


def test_ring_is_what_the_kernel_reports(start_vm: StartVm) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("exec ring=0 syscall=lean\n")
        emulator.reports("init\nexec ring=3 syscall=trap\n")  # the last word: the machine may be ended at once

    verification = check_machine(start_vm(guest, {}), [], None, entry=Entry(0, "lean"), timeout_s=10)
    assert found(verification) == [("ring", False)]
    assert verification.checks[0].detail == (
        "the application runs in ring 3, its system calls go by trap; the image was built for ring 0, syscall lean"
    )


def test_each_check_has_its_own_time_unless_one_is_given(start_vm: StartVm) -> None:
    check = ConsoleCheck(kind="console", pattern="Hello", timeout_s=0.05)
    began = time.monotonic()
    verification = check_machine(start_vm(lambda _: None, {}), [check], None)
    assert time.monotonic() - began < 5
    assert "did not come within 0.05 s" in verification.checks[0].detail


def test_a_machine_that_has_ended_is_asked_nothing_more(start_vm: StartVm) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("socket() [::]:80 failed (97: Address family not supported by protocol)\n")
        emulator.exit(3, "exit 1\n")

    verification = check_machine(start_vm(guest, {80: 1}), [ExitCheck(kind="exit"), HTTP, TCP], None, timeout_s=10)
    assert [check.detail for check in verification.checks[1:]] == ["not reached: the machine had ended"] * 2
    with pytest.raises(VerifyError) as caught:
        verification.require()
    assert 'IPV6 = "y"' in str(caught.value.hint)
