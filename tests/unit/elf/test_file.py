# SPDX-License-Identifier: GPL-2.0-only
"""The reader of ELF files, against what the host's tools make and say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.elf.file import bytes_at, is_elf, parse_elf, read_elf

SOURCE = """
#include <stdio.h>
int table[4] = {1, 2, 3, 4};
int *pointer = &table[2];
static int secret(void) { return table[1]; }
int main(void) { puts("hello"); return secret() + *pointer; }
"""


def compiled(folder: Path, *flags: str) -> Path:
    (folder / "a.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O0", "-o", folder / "a", folder / "a.c", *flags], check=True)
    return folder / "a"


def words(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_a_dynamic_program_names_its_interpreter_and_libraries(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path, "-pie", "-fPIE"))
    assert (elf.machine, elf.kind) == ("EM_X86_64", "ET_DYN")
    assert elf.interpreter is not None
    assert Path(elf.interpreter).name == "ld-linux-x86-64.so.2"
    assert elf.needed == ("libc.so.6",)


def test_a_static_program_has_neither(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path, "-static"))
    assert (elf.kind, elf.interpreter, elf.needed) == ("ET_EXEC", None, ())


def test_symbols_are_those_of_nm(tmp_path: Path) -> None:
    path = compiled(tmp_path, "-pie", "-fPIE")
    listed = {row.split()[-1]: int(row.split()[0], 16) for row in words("nm", "--defined-only", path).splitlines()}
    symbols = {symbol.name: symbol for symbol in read_elf(path).symbols}
    assert symbols["main"].address == listed["main"]
    assert (symbols["main"].kind, symbols["main"].is_global, symbols["main"].size_bytes > 0) == (2, True, True)
    assert (symbols["secret"].address, symbols["secret"].is_global) == (listed["secret"], False)
    assert symbols["table"].size_bytes == 16
    subprocess.run(["strip", path], check=True)
    assert read_elf(path).symbols == ()


def test_bytes_are_found_by_their_address(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path, "-static"))
    table = next(symbol for symbol in elf.symbols if symbol.name == "table")
    assert bytes_at(elf.loaded, table.address + 4, 4) == b"\2\0\0\0"
    assert bytes_at(elf.loaded, 0x10, 4) is None


def test_relocations_tell_what_data_will_point_to(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path, "-pie", "-fPIE"))
    table = next(symbol for symbol in elf.symbols if symbol.name == "table")
    assert table.address + 8 in elf.relative_addends


def test_notes_have_owner_kind_and_content(tmp_path: Path) -> None:
    path = compiled(tmp_path, "-Wl,--build-id=0x11223344")
    assert ("GNU", 3, b"\x11\x22\x33\x44") in [(note.owner, note.kind, note.content) for note in read_elf(path).notes]


def test_what_only_takes_memory_has_no_content(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path))
    bss, text = elf.section(".bss"), elf.section(".text")
    assert bss is not None
    assert text is not None
    assert (bss.size_bytes > 0, len(bss.content), text.executable) == (True, 0, True)
    assert elf.loaded_end >= bss.address + bss.size_bytes


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(60)], ids=["empty", "text", "32"])
def test_what_is_no_elf_file_of_64_bits_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BuildError, match="a is not a 64-bit ELF file"):
        read_elf(tmp_path / "a")
    with pytest.raises(BuildError, match="it is not a 64-bit ELF file"):
        parse_elf(content, "it")
    assert is_elf(tmp_path / "a") == content.startswith(b"\x7fELF")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot read .*gone: No such file"):
        read_elf(tmp_path / "gone")


@pytest.mark.parametrize("size", [20, 64, 100, 2000])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, size: int) -> None:
    path = compiled(tmp_path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BuildError, match="is cut short|no ELF file that can be read"):
        read_elf(path)
