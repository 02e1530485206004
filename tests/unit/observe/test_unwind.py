# SPDX-License-Identifier: GPL-2.0-only
"""Callers out of a stack, on a real program whose stack is made up."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from unilinux.core import command
from unilinux.core.errors import BuildError
from unilinux.observe.unwind import Unwinder, read_unwinder

# Three levels of calls by name, one through a pointer, and one that ends in a jump.
SOURCE = """
    .text
    .globl main, work, by_pointer, leaf, jumper, unrelated, last
    .type main, @function
main:
    call work
after_work:
    ret
    .size main, . - main
    .type work, @function
work:
    call jumper
after_jumper:
    call *%rax
after_pointer:
    ret
    .size work, . - work
    .type by_pointer, @function
by_pointer:
    call leaf
after_leaf:
    ret
    .size by_pointer, . - by_pointer
    .type jumper, @function
jumper:
    nop
    jmp leaf
    .size jumper, . - jumper
    .type unrelated, @function
unrelated:
    call leaf
after_unrelated:
    ret
    .size unrelated, . - unrelated
leaf:
    nop
    syscall
after_syscall:
__cp_end:
    ret
    .type last, @function
last:
    call leaf
    .size last, . - last
after_last:
    ret
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unwinder, dict[str, int]]:
    """The program, with its marks taken out of the list of functions, and where all symbols are."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "p.S").write_text(SOURCE)
    layout = ["-nostdlib", "-static", "-no-pie", "-Wl,-e,main,--build-id=none"]
    command.run(["gcc", *layout, "-o", folder / "p", folder / "p.S"])
    listed = command.run(["nm", "-n", "-S", "--defined-only", folder / "p"]).output
    addresses = {line.split()[-1]: int(line.split()[0], 16) for line in listed.splitlines()}
    command.run(["objcopy", "--wildcard", "--strip-symbol=after_*", folder / "p"])
    return read_unwinder(folder / "p", ["leaf"]), addresses


def stack(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}Q", *words)


def test_callers_by_name(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, at = built
    words = stack(7, at["after_leaf"], 1, at["after_pointer"], at["after_work"])
    assert program.callers(at["after_syscall"], words) == ("leaf", "by_pointer", "work", "main")


def test_a_caller_that_jumped_is_not_on_the_stack(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, at = built
    assert program.callers(at["after_syscall"], stack(at["after_jumper"], at["after_work"])) == ("leaf", "work", "main")


def test_a_stale_word_that_leads_nowhere_is_passed_over(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, at = built
    words = stack(at["after_unrelated"], 3, at["after_jumper"], at["after_work"])
    assert program.callers(at["after_syscall"], words) == ("leaf", "work", "main")


def test_without_main_the_nearest_is_taken(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, at = built
    assert program.callers(at["after_syscall"], stack(at["after_unrelated"], 3)) == ("leaf", "unrelated")
    assert program.callers(at["after_syscall"], b"") == ("leaf",)
    assert program.callers(0, b"") == ()


def test_a_call_may_be_the_last_instruction(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, at = built
    assert program.callers(at["after_syscall"], stack(at["after_last"])) == ("leaf", "last")


def test_the_place_is_the_applications_own_function(built: tuple[Unwinder, dict[str, int]]) -> None:
    program, _ = built
    assert program.place(("leaf", "by_pointer", "work")) == "by_pointer"
    assert program.place(("leaf",)) == "leaf"
    assert program.place(()) == ""


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read .*p: No such file"):
        read_unwinder(tmp_path / "p", ())
