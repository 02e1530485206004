# SPDX-License-Identifier: GPL-2.0-only
"""What is read of an ELF file: functions, what covers no symbol, and what data points to."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.unit.redirect.conftest import Assemble
from unilinux.core.errors import BuildError
from unilinux.redirect.program import read_program

TWO = """
_start: call f_one
 ret
f_one: nop
 ret
"""


def test_functions_have_their_names_and_code(assemble: Assemble) -> None:
    program = assemble(TWO)
    assert [(function.name, function.code) for function in program.functions] == [
        ("_start", b"\xe8\x01\x00\x00\x00\xc3"),
        ("f_one", b"\x90\xc3"),
    ]
    assert program.entry == program.functions[0].address
    assert program.at(program.functions[1].address + 1) == program.functions[1]
    assert program.at(program.functions[1].end) is None


def test_without_symbols_a_section_is_one_function(assemble: Assemble) -> None:
    program = assemble(TWO, strip=True)
    assert not program.named
    assert [function.code for function in program.functions] == [b"\xe8\x01\x00\x00\x00\xc3\x90\xc3"]


def test_a_label_inside_a_function_is_none_of_its_own(assemble: Assemble) -> None:
    program = assemble("_start: nop\ninner: nop\n ret\n.size _start, . - _start\n")
    assert [function.name for function in program.functions] == ["_start"]


def test_code_that_no_symbol_covers_is_told(assemble: Assemble) -> None:
    program = assemble("_start: ret\n.size _start, . - _start\n syscall\n")
    assert [content for _, content in program.unnamed_code] == [b"\x0f\x05"]


def test_pointers_in_data_are_found(assemble: Assemble) -> None:
    program = assemble("_start: ret\nf_one: ret\n.data\n.quad f_one\n")
    assert program.functions[1].address in program.pointers


def test_another_machine_is_refused(tmp_path: Path) -> None:
    header = bytearray(b"\x7fELF\x02\x01\x01" + bytes(9))
    header += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)
    (tmp_path / "arm").write_bytes(header)
    with pytest.raises(BuildError, match="no program for x86-64"):
        read_program(tmp_path / "arm")


def test_what_is_no_elf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")
    with pytest.raises(BuildError, match="is not a 64-bit ELF file"):
        read_program(tmp_path / "text")
