# SPDX-License-Identifier: GPL-2.0-only
"""The date of an emulated guest: as exact as the host can tell it, and left alone where somebody wants another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot, InstructionClock
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

_NS_PER_S = 1_000_000_000
_FIXED_DAY_NS = 1_735_689_600 * _NS_PER_S  # 2025-01-01

TELLER = r"""
    #include <stdio.h>
    #include <time.h>

    extern char **environ;

    static long long ns(clockid_t clock)
    {
        struct timespec now;
        clock_gettime(clock, &now);
        return now.tv_sec * 1000000000LL + now.tv_nsec;
    }

    int main(int argc, char **argv)
    {
        long long up = ns(CLOCK_MONOTONIC);

        printf("date %lld up %lld\n", ns(CLOCK_REALTIME), up);
        for (char **word = argv; *word; word++)
            printf("given %s\n", *word);
        for (char **word = environ; *word; word++)
            printf("given %s\n", *word);
        return 0;
    }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Nanoseconds: the guest's date and how long its kernel runs, and the host's date before the launch and at last."""

    date: int
    up: int
    before: int
    after: int
    given: tuple[str, ...]
    command: str


@pytest.fixture(scope="module")
def teller(workshop: Workshop) -> Image:
    return workshop.build(workshop.add("teller", TELLER))


def ask(boot: Boot) -> Told:
    before = time.time_ns()
    with Vm.start(boot, ENGINE) as vm:
        words = vm.expect(r"^date \d+ up \d+$", timeout_s=120).line.split()
        after = time.time_ns()
        assert vm.wait(timeout_s=60) == Exited(0)
        given = tuple(line.text for line in vm.console.lines() if line.text.startswith("given "))
    command = (boot.evidence / "command.txt").read_text()
    return Told(date=int(words[1]), up=int(words[3]), before=before, after=after, given=given, command=command)


def test_the_guest_has_the_hosts_date(teller: Image, boot_of: Boots) -> None:
    told = ask(boot_of(teller))
    # No more than QEMU's own start behind, however long that takes on a busy host, and never ahead.
    assert told.before + told.up <= told.date <= told.after
    assert told.given == ("given /bin/teller",), "what init is told is none of the application's business"
    as_run, by_hand = told.command.split("# By hand")
    assert "unilinux_launched_us=" in as_run
    assert "unilinux_launched_us=" not in by_hand, "it would be an old date by then"


@pytest.mark.parametrize("hours", [-1, 1], ids=["old", "of another date"])
def test_a_date_that_is_not_the_clock_chips_is_not_taken(teller: Image, boot_of: Boots, hours: int) -> None:
    boot = boot_of(teller)
    launched_us = (time.time_ns() + hours * 3600 * _NS_PER_S) // 1000
    told = ask(replace(boot, cmdline=(*boot.cmdline, f"unilinux_launched_us={launched_us}")))
    # The clock chip's whole seconds, which the kernel takes as they are.
    assert told.before + told.up - 2 * _NS_PER_S < told.date <= told.after


def test_a_counted_boot_keeps_its_fixed_date(teller: Image, boot_of: Boots) -> None:
    told = ask(replace(boot_of(teller), clock=InstructionClock()))
    assert _FIXED_DAY_NS <= told.date < _FIXED_DAY_NS + 60 * _NS_PER_S
    assert "unilinux_launched_us=" not in told.command
