# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with only the system calls that the application makes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

# Code that is written while the program runs is what nobody can see by looking into its file.
SURPRISE = """
    #include <stdio.h>
    #include <string.h>
    #include <sys/mman.h>

    static const unsigned char getpid_code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };

    int main(void)
    {
        void *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        long (*call)(void) = (long (*)(void))page;

        memcpy(page, getpid_code, sizeof(getpid_code));
        printf("first %ld\\n", call());
        printf("second %ld\\n", call());
        return 0;
    }
"""
LINE = "unilinux: system call 39 (getpid) was removed from this kernel"


def test_the_application_has_what_it_makes_and_no_more(hello_image: Image, boot_of: Boots) -> None:
    kept = hello_image.record["system_calls"]
    assert {"writev", "nanosleep", "execve", "exit_group"} <= set(kept)
    assert "getpid" not in kept
    with Vm.start(boot_of(hello_image), ENGINE) as vm:
        vm.expect("10 ms have passed", timeout_s=60)
        assert vm.wait(timeout_s=60) == Exited(0)
        assert not [line for line in vm.console.tail(100) if "was removed" in line]


def test_a_removed_call_fails_and_is_told_once(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("surprise", SURPRISE))
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
        console = vm.console.tail(100)
    assert "first -38" in console  # -ENOSYS
    assert "second -38" in console
    assert console.count(LINE) == 1


def test_with_all_calls_it_is_there(workshop: Workshop, boot_of: Boots) -> None:
    # The attack suite's kernel has all of them, and is there.
    image = workshop.build(workshop.add("surprised", SURPRISE), profile="attack-up")
    assert image.record["system_calls"] == "all"
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
        assert "first 1" in vm.console.tail(100)
