# SPDX-License-Identifier: GPL-2.0-only
"""Go's table of functions, in the forms that its versions have; written here as its linker writes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.elf.file import Elf, read_elf
from unilinux.elf.golang import go_symbols, is_go

CODE = ".globl _start\n.text\n_start: mov $60, %eax\n syscall\nsecond: ret\nend:\n"
HEADER = """
.section .gopclntab, "a"
table:
    .long {magic}
    .byte 0, 0, 1, 8
    .quad 2, 0
"""
FORMS = {
    "1.16": (
        0xFFFFFFFA,
        """
        .quad names - table, 0, 0, 0, functions - table
        functions: .quad _start, one - functions, second, two - functions, end
        one: .quad _start
             .long 0
        two: .quad second
             .long 10
        """,
    ),
    "1.18": (
        0xFFFFFFF0,
        """
        .quad _start, names - table, 0, 0, 0, functions - table
        functions: .long 0, one - functions, second - _start, two - functions, end - _start
        one: .long 0, 0
        two: .long second - _start, 10
        """,
    ),
}
FORMS["1.20, at any address"] = (0xFFFFFFF1, FORMS["1.18"][1].replace(".quad _start", ".quad 0"))
NAMES = 'names: .asciz "main.main"\n .asciz "main.run"\n'


def program(folder: Path, text: str) -> Elf:
    (folder / "a.S").write_text(text)
    command: list[str | Path] = ["gcc", "-nostdlib", "-static", "-no-pie", "-s", "-o"]
    subprocess.run([*command, folder / "a", folder / "a.S"], check=True, capture_output=True)
    return read_elf(folder / "a")


@pytest.mark.parametrize("form", FORMS)
def test_functions_of_a_stripped_program(tmp_path: Path, form: str) -> None:
    magic, table = FORMS[form]
    elf = program(tmp_path, CODE + HEADER.format(magic=magic) + table + NAMES)
    assert is_go(elf)
    assert elf.symbols == ()
    first, second = go_symbols(elf)
    assert (first.name, first.address, first.size_bytes) == ("main.main", elf.entry, 7)
    assert (second.name, second.address, second.size_bytes) == ("main.run", elf.entry + 7, 1)


def test_unknown_versions_and_other_programs_have_none(tmp_path: Path) -> None:
    assert go_symbols(program(tmp_path, CODE + HEADER.format(magic=0xFFFFFFFB) + FORMS["1.16"][1] + NAMES)) == ()
    elf = program(tmp_path, CODE)
    assert (is_go(elf), go_symbols(elf)) == (False, ())


def test_a_table_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="table of functions"):
        go_symbols(program(tmp_path, CODE + HEADER.format(magic=0xFFFFFFF0) + ".quad 0, 0, 0, 0, 0, 1000\n"))
