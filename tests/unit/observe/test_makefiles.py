# SPDX-License-Identifier: GPL-2.0-only
"""Which symbols an object needs, on excerpts of the kernel's own Makefiles (tests/data/observe/tree)."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.observe.makefiles import ALWAYS, Condition, Gates, parse_makefile

TREE = Path(__file__).parents[2] / "data/observe/tree"

ON = frozenset(
    {"EPOLL", "MMU", "64BIT", "ADVISE_SYSCALLS", "NET", "UNIX", "SYSCTL", "PVH", "PCI", "SERIAL_8250", "FUTEX"}
)


def gates(on: frozenset[str] = ON) -> Gates:
    return Gates(TREE, on.__contains__)


@pytest.mark.parametrize(
    ("path", "symbols"),
    [
        ("fs/eventpoll.o", {"EPOLL"}),
        ("fs/open.o", set()),
        # a list within a list, both ways that the kernel writes it
        ("fs/ramfs/file-mmu.o", {"MMU"}),
        ("mm/memory.o", {"MMU"}),
        ("mm/page_alloc.o", set()),
        # in a conditional of the Makefile, which begins lines with a tab
        ("mm/madvise.o", {"MMU", "ADVISE_SYSCALLS"}),
        ("mm/mseal.o", {"MMU", "64BIT"}),
        # folders: each on the way needs its own
        ("net/unix/af_unix.o", {"NET", "UNIX"}),
        ("net/unix/sysctl_net_unix.o", {"NET", "UNIX", "SYSCTL"}),
        ("kernel/futex/core.o", {"FUTEX"}),
        # a folder named some levels above, and one named in arch/x86/Makefile
        ("arch/x86/platform/pvh/enlighten.o", {"PVH"}),
        ("arch/x86/pci/common.o", {"PCI"}),
        ("drivers/tty/serial/8250/8250_port.o", {"SERIAL_8250"}),
        ("arch/x86/kernel/head_64.o", set()),
        ("nowhere/at_all.o", set()),
    ],
)
def test_an_object_needs_the_symbols_of_its_lists(path: str, symbols: set[str]) -> None:
    assert gates().of(path) == symbols


def test_a_condition_that_does_not_hold_is_no_reason() -> None:
    # kernel/Makefile: up.o if not SMP
    assert gates().of("kernel/up.o") == set()
    assert gates(ON | {"SMP"}).of("kernel/smp.o") == {"SMP"}


def test_what_would_bring_an_object_that_is_not_built() -> None:
    assert gates(frozenset()).needs("fs/timerfd.o") == {"TIMERFD"}
    assert gates(frozenset()).needs("net/unix/af_unix.o") == {"NET", "UNIX"}


def test_several_lists_are_alternatives() -> None:
    text = "obj-$(CONFIG_A) += trace/\nobj-$(CONFIG_B) += trace/ # too\n"
    entries = parse_makefile(text, "kernel").entries["kernel/trace/"]
    assert [entry.condition.on for entry in entries] == [{"A"}, {"B"}]


def test_modules_are_not_built_in() -> None:
    (entry,) = parse_makefile("obj-m += test.o\n", "lib").entries["lib/test.o"]
    assert not entry.condition.holds(lambda symbol: symbol in ON)


@pytest.mark.parametrize(
    ("lines", "condition"),
    [
        ("ifdef CONFIG_A\nobj-y += x.o\nendif", Condition(on=frozenset("A"))),
        ("ifndef CONFIG_A\nobj-y += x.o\nendif", Condition(off=frozenset("A"))),
        ("ifeq ($(CONFIG_A),y)\nobj-y += x.o\nendif", Condition(on=frozenset("A"))),
        ("ifneq ($(CONFIG_A),y)\nobj-y += x.o\nendif", Condition(off=frozenset("A"))),
        ("ifneq ($(CONFIG_A),)\nobj-y += x.o\nendif", Condition(on=frozenset("A"))),
        ("ifeq ($(CONFIG_A),)\nelse\nobj-y += x.o\nendif", Condition(on=frozenset("A"))),
        ("ifdef CONFIG_A\nendif\nobj-y += x.o", ALWAYS),
        ("ifneq ($(findstring 1, $(KBUILD_VERBOSE)),)\nobj-y += x.o\nendif", ALWAYS),
        ("ifdef CONFIG_A\nobj-$(CONFIG_B) += \\\n\tx.o\nendif", Condition(on=frozenset("AB"))),
        ("obj-$(subst m,y,$(CONFIG_A)) += x.o", Condition(on=frozenset("A"))),
    ],
)
def test_conditionals(lines: str, condition: Condition) -> None:
    (entry,) = parse_makefile(f"{lines}\n", "").entries["x.o"]
    assert entry.condition == condition
