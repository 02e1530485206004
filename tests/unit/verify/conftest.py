# SPDX-License-Identifier: GPL-2.0-only
"""A started machine whose guest is a fake and whose ports lead to servers of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.vm.fake import FakeEngine, Script
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.vm.engine import Boot
from unilinux.vm.probe import probe_guest
from unilinux.vm.vm import Vm

StartVm = Callable[[Script, dict[int, int]], Vm]


@pytest.fixture
def start_vm(tmp_path: Path) -> Iterator[StartVm]:
    """Start a machine with a script for its guest and its ports: that of the guest to that of the host."""
    with ExitStack() as stack:

        def start(script: Script, ports: dict[int, int]) -> Vm:
            kernel = tmp_path / "vmlinux"
            kernel.write_bytes(probe_guest())
            boot = Boot(machine=compose(MachineSpec()), kernel=kernel, evidence=tmp_path / "evidence")
            return stack.enter_context(Vm.start(boot, FakeEngine(script, ports=ports)))

        yield start
