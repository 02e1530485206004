# SPDX-License-Identifier: GPL-2.0-only
"""A boot that needs no kernel worth the name, and the proof that nothing is left behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.vm.engine import Boot
from unilinux.vm.probe import probe_guest


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(probe_guest())
    return Boot(machine=compose(MachineSpec(memory_mib=16)), kernel=kernel, evidence=tmp_path / "evidence")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    gc.collect()  # what tests of other folders have left in cycles isn't ours, and would go in the midst of this one
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    yield
    deadline = time.monotonic() + 5  # threads that have been told to end do so soon
    while threading.active_count() != threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
