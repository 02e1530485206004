# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel on real machines: what a machine's blocks promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.boot.conftest import Workshop
from unilinux.image.record import Image
from unilinux.machine.compose import compose
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.qemu.tsc import host_tsc_khz
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

# Sleeps 0.2 s by a timer, and says how long that was by the clock (ms).
SLEEPER = """
#include <stdio.h>
#include <time.h>

static long ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(void)
{
    struct timespec nap = { 0, 200000000 };
    long before = ms();

    nanosleep(&nap, NULL);
    printf("slept %ld ms\\n", ms() - before);
    return 0;
}
"""

TYPIST = """
#include <stdio.h>

int main(void)
{
    char line[80];

    puts("say something");
    while (fgets(line, sizeof(line), stdin)) {
        printf("you said %s", line);
        if (line[0] == 'q')
            return 4;
    }
    return 1;
}
"""


@pytest.fixture(scope="module")
def sleeper(workshop: Workshop) -> Image:
    return workshop.build(workshop.add("sleeper", SLEEPER))


@pytest.mark.parametrize("board", ["microvm", "q35"])
@pytest.mark.parametrize("tsc_khz", [None, host_tsc_khz()], ids=["calibrated", "told"])
def test_sleeper_wakes_and_the_clock_goes_right(
    sleeper: Image, boot_of: Boots, board: str, tsc_khz: int | None
) -> None:
    # Without network, rng and disks the two boards need the same kernel.
    boot = boot_of(sleeper)
    boot = replace(boot, machine=compose(replace(boot.machine.spec, target=board)))
    runner = NativeQemu(Accelerator(name="tcg", reason="test", tsc_khz=tsc_khz))
    with Vm.start(boot, runner) as vm:
        began_s = vm.elapsed_s
        line = vm.expect(r"slept \d+ ms", timeout_s=120).line
        assert 200 <= int(line.split()[1]) <= (vm.elapsed_s - began_s) * 1000
        assert vm.wait(timeout_s=60) == Exited(0)


def test_what_is_typed_reaches_the_application(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("typist", TYPIST))
    with Vm.start(boot_of(image), NativeQemu(Accelerator(name="tcg", reason="test"))) as vm:
        vm.expect("say something", timeout_s=120)
        vm.send(b"hello\n")
        vm.expect("^you said hello$", timeout_s=60)
        vm.send(b"quit\n")
        assert vm.wait(timeout_s=60) == Exited(4)
