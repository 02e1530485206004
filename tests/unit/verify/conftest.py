"""A started machine whose guest is a fake and whose ports lead to servers of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.vm.fake import FakeRunner, Script
from unilinux.machine.compose import compose
from unilinux.machine.spec import Forward, MachineSpec
from unilinux.vm.probe import probe_guest
from unilinux.vm.runner import Boot
from unilinux.vm.vm import Vm

StartVm = Callable[[Script, dict[int, int]], Vm]


@pytest.fixture
def start_vm(tmp_path: Path) -> Iterator[StartVm]:
    """Start a machine with a script for its guest and its ports: that of the guest to that of the host."""
    with ExitStack() as stack:

        def start(script: Script, ports: dict[int, int]) -> Vm:
            kernel = tmp_path / "vmlinux"
            kernel.write_bytes(probe_guest())
            listing = "".join(
                f"  TCP[{state}]  3  127.0.0.1 {host}  10.0.2.15 {guest}  0  0\r\n"
                for guest, host in ports.items()
                for state in ("HOST_FORWARD", "ESTABLISHED")
            )
            machine = compose(MachineSpec(network=True, forwards=tuple(Forward(host=0, guest=port) for port in ports)))
            boot = Boot(machine=machine, kernel=kernel, evidence=tmp_path / "evidence")
            runner = FakeRunner(script, {"human-monitor-command": {"return": listing}})
            return stack.enter_context(Vm.start(boot, runner))

        yield start
