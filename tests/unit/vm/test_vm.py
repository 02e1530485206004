# SPDX-License-Identifier: GPL-2.0-only
"""Starting, watching and ending a machine, on a fake emulator."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.vm.fake import FakeEngine, FakeGuest
from unilinux.core.errors import BootError, HostError, UsageError, VmError
from unilinux.machine.compose import compose
from unilinux.machine.spec import Forward, MachineSpec
from unilinux.vm.engine import Abilities, Boot, InstructionClock, Plugin
from unilinux.vm.outcome import Exited, Lost, OutOfMemory, Panic, Ready, Signalled, Timeout
from unilinux.vm.vm import Vm

SOON_S = 0.05


def idle(_: FakeGuest) -> None:
    """A guest that does nothing."""


def test_watch_finds_a_line(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.say("booting\nserver: ready to accept\n"))) as vm:
        outcome = vm.watch(r"ready \w+", timeout_s=10)
    assert isinstance(outcome, Ready)
    assert outcome.line == "server: ready to accept"
    assert 0 < outcome.seconds < 10


def test_watch_finds_a_prompt_that_has_no_end_of_line(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.say("> "))) as vm:
        assert isinstance(vm.watch("^> $", timeout_s=10), Ready)


def test_watch_from_a_line_on_passes_over_what_was_before(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("pong 1\n")
        emulator.serial.recv(10)
        emulator.say("pong 2\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        vm.expect("pong", timeout_s=10)
        start = vm.console.position()
        vm.send(b"ping")
        assert vm.expect("pong", timeout_s=10, start=start).line == "pong 2"


def test_exit_status_is_reported(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.exit(7, "exit 3\n"))) as vm:
        assert vm.wait(timeout_s=10) == Exited(3)
        assert vm.end == Exited(3)


def test_signal_is_reported(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.exit(23, "signal 11\n"))) as vm:
        outcome = vm.wait(timeout_s=10)
    assert outcome == Signalled(11)
    assert outcome.explain() == "the application was killed by signal 11 (SIGSEGV)"


def test_end_instead_of_a_line_says_how_and_shows_the_console(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("cannot bind\n\n")
        emulator.exit(3, "exit 1\n")

    with Vm.start(boot, FakeEngine(guest)) as vm, pytest.raises(BootError) as caught:
        vm.expect("listening", timeout_s=10)
    assert caught.value.message == "the application exited with status 1"
    assert caught.value.details == ("cannot bind",)
    assert caught.value.hint == f"the whole console is in {boot.evidence / 'console.log'}"


def test_panic_is_not_awaited_until_the_deadline(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("[    0.31] Kernel panic - not syncing: No working init found.  Try passing init=\n")
        emulator.event("SHUTDOWN", guest=True, reason="guest-reset")
        emulator.exit(0)

    with Vm.start(boot, FakeEngine(guest)) as vm:
        assert vm.watch("ready", timeout_s=1000) == Panic("No working init found.  Try passing init=")
        assert vm.wait(timeout_s=1000) == vm.end


@pytest.mark.parametrize(
    "line",
    [
        "[    0.22] Out of memory: Killed process 1 (nginx)",
        "[    0.22] Initramfs unpacking failed: write error",
        "[    0.22] Failed to execute /init (error -12)",
        "[    0.22] Kernel panic - not syncing: System is deadlocked on memory",
    ],
)
def test_lack_of_memory_is_said_as_such(boot: Boot, line: str) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say(f"{line}\n[    0.23] Kernel panic - not syncing: something\n")
        emulator.restart()

    with Vm.start(boot, FakeEngine(guest)) as vm:
        outcome = vm.wait(timeout_s=10)
        error = vm.failure(outcome)
    said = line.partition("] ")[2]
    assert outcome == OutOfMemory(16, said)
    assert error.message == f"the guest has too little memory (-m 16): {said}"
    assert error.hint is not None
    assert error.hint.startswith("give it more: --memory 32; ")


def test_kernel_that_does_not_fit_is_not_even_started(boot: Boot) -> None:
    data = bytearray(boot.kernel.read_bytes())
    struct.pack_into("<Q", data, 64 + 40, 20 << 20)  # size in memory of the first segment
    boot.kernel.write_bytes(data)
    with pytest.raises(BootError) as caught:
        Vm.start(boot, FakeEngine(idle))
    assert caught.value.message == ("the guest has too little memory (-m 16): the kernel alone reaches up to 21.0 MiB")
    assert caught.value.hint == "give it more: --memory 42"


@pytest.mark.parametrize("as_initrd", [False, True])
def test_lack_of_memory_for_what_is_unpacked_is_told_before_the_boot(
    boot: Boot, tmp_path: Path, as_initrd: bool
) -> None:
    data = bytearray(boot.kernel.read_bytes())
    struct.pack_into("<Q", data, 64 + 40, 9 << 20)
    boot.kernel.write_bytes(data)
    archive = tmp_path / "initrd"
    archive.write_bytes(bytes(9 << 20))
    asked: dict[str, Any] = {"initrd": archive} if as_initrd else {"files_bytes": 9 << 20}
    engine = FakeEngine(idle)
    with pytest.raises(BootError) as caught:
        Vm.start(replace(boot, **asked), engine)
    assert engine.guest is None
    assert caught.value.message == (
        "the guest has too little memory (-m 16): the kernel takes 8.0 MiB, and the files that it unpacks 9.0 MiB more"
    )
    assert caught.value.hint == "give it more: --memory 34"
    with Vm.start(replace(boot, files_bytes=8 << 20), FakeEngine(idle)):
        pass


def test_silence_of_a_kernel_that_hardly_fits_is_lack_of_memory(boot: Boot) -> None:
    data = bytearray(boot.kernel.read_bytes())
    struct.pack_into("<Q", data, 64 + 40, 14 << 20)
    boot.kernel.write_bytes(data)
    with Vm.start(boot, FakeEngine(idle)) as vm:
        outcome = vm.wait(timeout_s=SOON_S)
    assert outcome == OutOfMemory(16, "the kernel, which reaches up to 15.0 MiB, did not say a word")


def test_a_silent_restart_of_a_kernel_that_hardly_fits_is_lack_of_memory(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.event("SHUTDOWN", guest=True, reason="guest-reset")
        emulator.exit(0)

    data = bytearray(boot.kernel.read_bytes())
    struct.pack_into("<Q", data, 64 + 40, 14 << 20)
    boot.kernel.write_bytes(data)
    with Vm.start(boot, FakeEngine(guest)) as vm:
        assert isinstance(vm.wait(timeout_s=10), OutOfMemory)


def test_timeout_leaves_the_machine_running(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("waiting\n")
        emulator.serial.recv(1)
        emulator.say("done\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        outcome = vm.watch("done", timeout_s=SOON_S)
        assert outcome == Timeout(SOON_S, "the line 'done'")
        assert outcome.explain() == ("the line 'done' did not come within 0.05 s; the machine was still running")
        assert vm.end is None
        vm.send(b"x")
        assert isinstance(vm.watch("done", timeout_s=10), Ready)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("guest-reset", "restarted without saying why"),
        ("guest-shutdown", "powered off without an exit status"),
        ("host-qmp-quit", "was told to quit"),
    ],
)
def test_lost_machine_tells_what_qemu_knows(boot: Boot, reason: str, said: str) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.event("SHUTDOWN", guest=True, reason=reason)
        emulator.exit(0)

    with Vm.start(boot, FakeEngine(guest)) as vm:
        outcome = vm.wait(timeout_s=10)
        details = vm.failure(outcome).details
    assert isinstance(outcome, Lost)
    assert said in outcome.reason
    assert details == ("fake: something is wrong",)


def test_killed_emulator_is_lost(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.exit(-11))) as vm:
        assert vm.wait(timeout_s=10) == Lost(-11, "QEMU was killed by signal 11")


STARTED = "init\nexec ring=0 syscall=lean\n"


def test_power_down_sends_a_break_once_the_application_has_started(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        assert not emulator.breaks.is_set()
        emulator.reports(STARTED)
        assert emulator.breaks.wait(10)
        emulator.exit(1, "stop 3\nexit 0\n")

    engine = FakeEngine(guest)
    with Vm.start(boot, engine) as vm:
        assert vm.power_down("SIGQUIT", grace_s=10) == Exited(0)
        assert vm.report.stop == 3
    assert engine.guest is not None
    sent = [command["arguments"] for command in engine.guest.commands if command["execute"] == "chardev-send-break"]
    assert sent == [{"id": "console"}]


def test_power_down_of_a_machine_that_ends_meanwhile(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.exit(1, f"{STARTED}exit 0\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        assert vm.wait(timeout_s=10) == Exited(0)
        assert vm.power_down("SIGQUIT", grace_s=10) == Exited(0)


def test_power_down_of_a_machine_whose_application_never_starts(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(idle)) as vm:
        assert vm.power_down("SIGTERM", grace_s=SOON_S) == Timeout(SOON_S, "the start of the application")


def test_power_down_of_a_kernel_that_does_not_know_breaks(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.reports(STARTED))) as vm:
        outcome = vm.power_down("SIGTERM", grace_s=SOON_S)
    assert isinstance(outcome, Timeout)
    assert outcome.awaited == "the kernel's report that it has sent the stop signal (it needs UNILINUX_STOP)"


def test_power_down_that_is_not_obeyed_ends_in_a_kill(boot: Boot) -> None:
    engine = FakeEngine(lambda guest: guest.reports(f"{STARTED}stop 2\n"))
    with Vm.start(boot, engine) as vm:
        outcome = vm.power_down("SIGINT", grace_s=SOON_S)
        assert outcome == Timeout(SOON_S, "the end of the application after SIGINT")
        assert engine.guest is not None
        assert engine.guest.returncode == -9


def test_ctrl_c_ends_the_machine(boot: Boot) -> None:
    engine = FakeEngine(idle)
    with pytest.raises(KeyboardInterrupt), Vm.start(boot, engine):
        raise KeyboardInterrupt
    assert engine.guest is not None
    assert engine.guest.returncode == -9


def test_close_may_be_called_twice(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(idle)) as vm:
        vm.close()


def test_connections_lead_to_where_the_engine_forwards_the_port(boot: Boot) -> None:
    machine = compose(MachineSpec(network=True, forwards=(Forward(host=0, guest=80),)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        engine = FakeEngine(idle, ports={80: server.getsockname()[1]})
        with Vm.start(replace(boot, machine=machine), engine) as vm, vm.connect(80, 10) as stream:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"guest")
            assert stream.recv(5) == b"guest"
            assert vm.has_accepted(80)
            with pytest.raises(UsageError, match="port 81 of the guest is not forwarded"):
                vm.connect(81, 10)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"clock": InstructionClock()}, "a machine on kvm cannot count instructions as time"),
        ({"plugin": Plugin(path=Path("/p.so"))}, "a machine on kvm cannot load a plugin"),
        ({"debugger": Path("/stub")}, "a machine on kvm cannot be debugged"),
    ],
)
def test_engine_is_not_asked_for_what_it_cannot_do(boot: Boot, asked: dict[str, Any], said: str) -> None:
    engine = FakeEngine(idle, abilities=Abilities(accelerator="kvm"))
    with pytest.raises(UsageError, match=said):
        Vm.start(replace(boot, **asked), engine)
    assert engine.guest is None


def test_machine_is_told_to_quit_and_its_memory_saved_by_qmp(boot: Boot, tmp_path: Path) -> None:
    engine = FakeEngine(idle)
    with Vm.start(boot, engine) as vm:
        vm.save_memory(0x1000, 4096, tmp_path / "dump")
        vm.quit()
    assert engine.guest is not None
    said = [(command["execute"], command.get("arguments")) for command in engine.guest.commands[-2:]]
    assert said == [("pmemsave", {"val": 0x1000, "size": 4096, "filename": f"{tmp_path}/dump"}), ("quit", None)]


def test_refused_command_is_an_error(boot: Boot) -> None:
    engine = FakeEngine(idle, {"stop": {"error": {"class": "GenericError", "desc": "not now"}}})
    with Vm.start(boot, engine) as vm, pytest.raises(VmError, match="QEMU refused QMP command 'stop': not now"):
        vm.execute("stop")


def test_command_to_a_machine_that_is_gone_is_an_error(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(lambda guest: guest.exit(1, "exit 0\n"))) as vm:
        vm.wait(timeout_s=10)
        with pytest.raises(VmError, match="QMP command 'query-status' failed"):
            vm.execute("query-status")


def test_emulator_that_does_not_start_is_the_runners_error(boot: Boot) -> None:
    engine = FakeEngine(idle)
    engine.failure = HostError("port 80 of this host is in use")
    with pytest.raises(HostError, match="port 80 of this host is in use"):
        Vm.start(boot, engine)


def test_pattern_that_is_none_is_a_usage_error(boot: Boot) -> None:
    with Vm.start(boot, FakeEngine(idle)) as vm, pytest.raises(UsageError, match=r"'\(' is not a regular expression"):
        vm.watch("(", timeout_s=1)


def test_evidence_has_the_console_and_every_qmp_message(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.say("one\ntwo")
        emulator.event("SHUTDOWN", guest=True, reason="guest-reset")
        emulator.exit(0)

    with Vm.start(boot, FakeEngine(guest)) as vm:
        vm.wait(timeout_s=10)
    console = (boot.evidence / "console.log").read_text().splitlines()
    assert [line.partition("] ")[2] for line in console] == ["one", "two"]
    messages = [line.partition("] ")[2] for line in (boot.evidence / "qmp.log").read_text().splitlines()]
    sent = [json.loads(text[4:])["execute"] for text in messages if text.startswith("--> ")]
    assert sent == ["qmp_capabilities", "cont"]
    assert any("SHUTDOWN" in text for text in messages if text.startswith("<-- "))


def test_output_is_handed_on_as_it_comes(boot: Boot) -> None:
    seen: list[bytes] = []

    def show(data: bytes) -> None:
        seen.append(data)
        raise BrokenPipeError  # the terminal went away: no reason to stop reading

    def guest(emulator: FakeGuest) -> None:
        emulator.say("one\n")
        emulator.serial.recv(1)
        emulator.say("two\n")

    with Vm.start(boot, FakeEngine(guest), on_output=show) as vm:
        vm.expect("one", timeout_s=10)
        vm.send(b"x")
        vm.expect("two", timeout_s=10)
    assert b"".join(seen) == b"one\r\n"


def test_guest_that_talks_without_end_is_drained(boot: Boot) -> None:
    def guest(emulator: FakeGuest) -> None:
        emulator.serial.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for number in range(30_000):
            emulator.say(f"line {number}\n")
        emulator.exit(1, "exit 0\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        assert vm.wait(timeout_s=50) == Exited(0)
        assert vm.console.tail(1) == ("line 29999",)
        assert vm.console.position() == 30_000
    assert len((boot.evidence / "console.log").read_text().splitlines()) == 30_000


def test_full_disk_does_not_stop_the_guest(boot: Boot) -> None:
    boot.evidence.mkdir()
    for name in ("console.log", "qmp.log"):
        (boot.evidence / name).symlink_to("/dev/full")

    def guest(emulator: FakeGuest) -> None:
        emulator.say("one\ntwo\n")
        emulator.exit(3, "exit 1\n")

    with Vm.start(boot, FakeEngine(guest)) as vm:
        outcome = vm.wait(timeout_s=10)
        error = vm.failure(outcome)
    assert outcome == Exited(1)
    assert error.details == ("one", "two")
    assert str(error.hint).endswith("as far as it could be written: No space left on device")
