# SPDX-License-Identifier: GPL-2.0-only
"""A further segment in files that the host's linker made: they run as before, and tools read them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.elf.extension import Edit, code_address, extended
from unilinux.elf.file import Note, bytes_at, parse_elf, read_elf

SOURCE = """
#include <link.h>
#include <stdio.h>
static int add(struct dl_phdr_info *info, size_t size, void *count) { *(int *)count += info->dlpi_phnum; return 1; }
static char much[MUCH];
int main(void) { int n = 0; much[1] = 1; dl_iterate_phdr(add, &n); printf("%d", n); return much[0]; }
"""
LINKED = {
    "pie": ("-pie", "-fPIE"),
    "fixed": ("-no-pie",),
    "static": ("-static",),
    "static-pie": ("-static-pie", "-fPIE"),
    "large .bss": ("-pie", "-fPIE", "-DMUCH=50000000"),
    "symbols": ("-g3", "-pie", "-fPIE"),
}
NOTE = Note("UniLinux", 1, b"{}")
CODE = b"\xc3" * 77


@pytest.fixture(params=LINKED)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text(SOURCE)
    flags = LINKED[request.param]
    more = () if any("MUCH" in flag for flag in flags) else ("-DMUCH=4096",)
    subprocess.run(["gcc", "-D_GNU_SOURCE", *flags, *more, "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    return tmp_path / "a"


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_program_runs_and_has_two_segments_more(program: Path, tmp_path: Path) -> None:
    elf = read_elf(program)
    target = tmp_path / "b"
    target.write_bytes(extended(elf, CODE, NOTE, ()))
    target.chmod(0o755)
    assert int(output(target)) == int(output(program)) + 2
    made = read_elf(target)
    assert bytes_at(made.loaded, code_address(elf), len(CODE)) == CODE
    assert NOTE in tuple(made.notes)
    # A part that only takes memory isn't written to the file.
    assert len(made.content) < len(elf.content) + (4 << 20) + 10_000


def test_tools_read_it_without_complaint(program: Path, tmp_path: Path) -> None:
    target = tmp_path / "b"
    target.write_bytes(extended(read_elf(program), CODE, NOTE, ()))
    read = subprocess.run(["readelf", "-aW", target], check=False, capture_output=True, text=True)
    assert (read.returncode, read.stderr) == (0, "")
    assert output("nm", target) == output("nm", program)
    build_id = [row for row in output("readelf", "-n", target).splitlines() if "Build ID" in row]
    assert build_id == [row for row in output("readelf", "-n", program).splitlines() if "Build ID" in row]
    shown = output("gdb", "-batch", "-nx", "-ex", "info address main", target)
    assert "main" in shown
    assert ".text.unilinux" in output("gdb", "-batch", "-nx", "-ex", "info files", target)


def test_an_edit_must_be_of_what_is_there(program: Path) -> None:
    elf = read_elf(program)
    old = bytes_at(elf.loaded, elf.entry, 2)
    assert old is not None
    made = parse_elf(extended(elf, CODE, NOTE, [Edit(elf.entry, old, b"\xeb\xfe")]), "made")
    assert bytes_at(made.loaded, elf.entry, 2) == b"\xeb\xfe"
    for wrong in (Edit(elf.entry, b"\0\0", b"\1\1"), Edit(0, old, old), Edit(elf.entry, old, b"\xcc")):
        with pytest.raises(BuildError):
            extended(elf, CODE, NOTE, [wrong])
