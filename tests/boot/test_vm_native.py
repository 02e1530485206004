# SPDX-License-Identifier: GPL-2.0-only
"""Real QEMU, with a guest of some instructions: no kernel is needed."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import HostError, VmError
from unilinux.machine.compose import Machine, compose
from unilinux.machine.spec import Disk, Forward, MachineSpec
from unilinux.vm.choose import native_engine, probe
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Lost, Timeout
from unilinux.vm.probe import probe_guest
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.qemu.process import QemuProcess
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.timeout(120)]

TCG = Accelerator(name="tcg", reason="test")
BARE = compose(MachineSpec())
ENGINE = NativeQemu(TCG)


def without_exit(machine: Machine) -> Machine:
    """A machine in which the probe guest cannot end: it halts."""
    return replace(machine, parts=tuple(part for part in machine.parts if part.name != "exit"))


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    kernel = tmp_path / "a kernel, with a comma"
    kernel.write_bytes(probe_guest())
    return Boot(machine=BARE, kernel=kernel, evidence=tmp_path / "evidence")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")), children())
    yield
    assert (threading.active_count(), len(os.listdir("/proc/self/fd")), children()) == before


def children() -> set[str]:
    """Processes of which this one is the parent."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found.update((task / "children").read_text().split())
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("board", ["microvm", "q35"])
@pytest.mark.parametrize("cpus", [1, 2])
def test_guest_runs_talks_and_exits(boot: Boot, board: str, cpus: int) -> None:
    machine = compose(MachineSpec(target=board, cpus=cpus))
    with Vm.start(replace(boot, machine=machine), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(42)
        assert vm.console.tail(1) == ("probe",)
    files = {path.name for path in boot.evidence.iterdir()}
    assert files == {"boot.json", "command.txt", "console.log", "in-use", "qemu.log", "qmp.log"}


@pytest.mark.parametrize("board", ["microvm", "q35"])
def test_every_device_is_accepted_by_qemu(boot: Boot, tmp_path: Path, board: str) -> None:
    image = tmp_path / "a disk, with a comma.raw"
    for path in (image, tmp_path / "b.raw"):
        path.write_bytes(bytes(1 << 20))
    spec = MachineSpec(
        target=board,
        network=True,
        rng=True,
        forwards=(Forward(host=0, guest=80), Forward(host=0, guest=443)),
        disks=(Disk(path=image), Disk(path=tmp_path / "b.raw", read_only=True)),
    )
    with Vm.start(replace(boot, machine=without_exit(compose(spec))), ENGINE) as vm:
        # QEMU listens for each on the guest's behalf.
        with vm.connect(80, 10) as first, vm.connect(443, 10) as second:
            assert first.getpeername() != second.getpeername()
        assert len(vm.execute("query-block")) == 2


def test_command_to_run_by_hand_runs(boot: Boot) -> None:
    with Vm.start(boot, ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(42)
    by_hand = (boot.evidence / "command.txt").read_text().splitlines()[-1]
    done = subprocess.run(shlex.split(by_hand), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert done.returncode == 42 * 2 + 1
    assert done.stdout == b"probe\n"


def test_guest_that_hangs_is_a_timeout_and_ends_with_the_block(boot: Boot) -> None:
    with Vm.start(replace(boot, machine=without_exit(BARE)), ENGINE) as vm:
        vm.expect("probe", timeout_s=60)
        assert vm.wait(timeout_s=0.1) == Timeout(0.1, "the end of the machine")
        assert isinstance(vm.guest, QemuProcess)
        pid = vm.guest.pid
        assert is_running(pid)
    assert not is_running(pid)


def test_machine_killed_from_outside_is_lost(boot: Boot) -> None:
    with Vm.start(replace(boot, machine=without_exit(BARE)), ENGINE) as vm:
        vm.expect("probe", timeout_s=60)
        assert isinstance(vm.guest, QemuProcess)
        os.kill(vm.guest.pid, signal.SIGKILL)
        assert vm.wait(timeout_s=60) == Lost(-9, "QEMU was killed by signal 9")


def test_machine_ended_by_sigterm_is_lost(boot: Boot) -> None:
    with Vm.start(replace(boot, machine=without_exit(BARE)), ENGINE) as vm:
        vm.expect("probe", timeout_s=60)
        assert isinstance(vm.guest, QemuProcess)
        os.kill(vm.guest.pid, signal.SIGTERM)
        assert vm.wait(timeout_s=60) == Lost(0, "QEMU was ended by a signal")


def test_ctrl_c_leaves_no_qemu_behind(boot: Boot) -> None:
    pids: list[int] = []
    with pytest.raises(KeyboardInterrupt), Vm.start(replace(boot, machine=without_exit(BARE)), ENGINE) as vm:
        assert isinstance(vm.guest, QemuProcess)
        pids.append(vm.guest.pid)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        vm.wait(timeout_s=60)
    assert not is_running(pids[0])


def test_kill_9_leaves_no_qemu_behind(boot: Boot) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.engine import Boot
from unilinux.vm.vm import Vm
boot = Boot(machine=compose(MachineSpec()), kernel=Path({str(boot.kernel)!r}), evidence=Path({str(boot.evidence)!r}))
class Paused(Vm):
    def _let_run(self):
        pass
with Paused.start(boot, NativeQemu(Accelerator(name="tcg", reason="test"))) as vm:
    print(vm.guest.pid, flush=True)
    vm.wait(timeout_s=100)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        descriptor = os.pidfd_open(pid)
        assert is_running(pid)
        process.kill()
    try:
        # A pidfd becomes readable when its process has ended.
        assert select.select([descriptor], [], [], 30)[0]
    finally:
        os.close(descriptor)
    assert not is_running(pid)


def test_file_that_is_no_kernel_is_told_by_qemu(boot: Boot) -> None:
    data = bytearray(boot.kernel.read_bytes())
    data[64 + 56] = 0  # the note's segment has no type any more
    boot.kernel.write_bytes(data)
    with pytest.raises(VmError) as caught:
        Vm.start(boot, ENGINE)
    assert caught.value.message == "QEMU ended with exit code 1 before the guest ran"
    assert any("PVH ELF Note" in line for line in caught.value.details)
    assert caught.value.hint == f"its command line is in {boot.evidence / 'command.txt'}"


def test_a_file_that_is_no_kernel_is_told_at_once(boot: Boot) -> None:
    boot.kernel.write_bytes(b"MZ" + bytes(1000))
    with pytest.raises(VmError, match="is not a 64-bit ELF file"):
        Vm.start(boot, ENGINE)


def test_kernel_that_is_missing(boot: Boot) -> None:
    boot.kernel.unlink()
    with pytest.raises(VmError, match="cannot read the kernel .*: No such file or directory"):
        Vm.start(boot, ENGINE)


def test_forwarded_port_in_use_is_named(boot: Boot) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        machine = compose(MachineSpec(network=True, forwards=(Forward(host=port, guest=80),)))
        with pytest.raises(HostError) as caught:
            Vm.start(replace(boot, machine=machine), ENGINE)
    assert caught.value.message == f"port {port} of this host is in use"
    assert f"'sport = :{port}'" in str(caught.value.hint)


def test_port_taken_behind_our_back_is_named(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unilinux.vm.qemu.engine.require_free_port", lambda port: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        machine = compose(MachineSpec(network=True, forwards=(Forward(host=port, guest=80),)))
        with pytest.raises(HostError, match=f"port {port} of this host is in use"):
            Vm.start(replace(boot, machine=machine), ENGINE)


def test_qemu_that_is_not_installed(boot: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(HostError) as caught:
        Vm.start(boot, ENGINE)
    assert caught.value.message == "the program 'qemu-system-x86_64' is not installed"
    assert str(caught.value.hint).startswith("apt-get install qemu-system-x86")


def test_probe_finds_that_tcg_works() -> None:
    assert probe(TCG).works


def test_auto_finds_an_accelerator_that_runs_guests(tmp_path: Path, boot: Boot) -> None:
    engine = native_engine("auto", tmp_path)
    assert engine.reason
    with Vm.start(boot, engine) as vm:
        assert vm.wait(timeout_s=60) == Exited(42)
