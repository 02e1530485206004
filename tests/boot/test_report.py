# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel alone says to the host: when the application has started, and how all ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, OutOfMemory, Panic
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

_OTHER_WAYS = [
    pytest.param(3, "trap", id="ring3-trap"),
    pytest.param(0, "trap", id="ring0-trap", marks=pytest.mark.slow),
    pytest.param(0, "gate", id="ring0-gate", marks=pytest.mark.slow),
]

# PID 1 takes all memory: no process is left that could be killed for it.
GREEDY = """
    #include <stdlib.h>
    #include <string.h>
    int main(void) { for (;;) { char *p = malloc(1 << 20); if (p) memset(p, 1, 1 << 20); } }
"""


def test_the_kernel_reports_the_life_of_an_application(hello_image: Image, boot_of: Boots) -> None:
    with Vm.start(boot_of(hello_image), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
        report = vm.report
    assert report.has_init
    assert report.started
    assert (report.started.ring, report.started.syscall) == (0, "lean")
    assert report.end == ("exit", 0)
    assert report.shortage is None
    assert report.panic is None


@pytest.mark.parametrize(("ring", "syscall"), _OTHER_WAYS)
def test_the_kernel_reports_by_which_way_init_became_the_application(
    workshop: Workshop, boot_of: Boots, ring: int, syscall: str
) -> None:
    with Vm.start(boot_of(workshop.build("hello", ring=ring, syscall=syscall)), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
        assert vm.report.started
        assert (vm.report.started.ring, vm.report.started.syscall) == (ring, syscall)


def test_the_kernel_reports_a_panic_that_comes_before_the_first_program(hello_image: Image, boot_of: Boots) -> None:
    boot = replace(boot_of(hello_image), cmdline=("rdinit=/nowhere", "init=/nowhere"))
    with Vm.start(boot, ENGINE) as vm:
        assert isinstance(vm.wait(timeout_s=60), Panic)
        assert vm.report.panic
        assert vm.report.panic.startswith("Requested init /nowhere failed")
        assert not vm.report.has_init


def test_the_kernel_reports_that_memory_is_exhausted(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("greedy", GREEDY))
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert isinstance(vm.wait(timeout_s=120), OutOfMemory)
        assert vm.report.shortage == "no killable processes"
        assert vm.report.panic == "System is deadlocked on memory"
