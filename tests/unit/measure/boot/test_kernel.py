# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.measure.conftest import SYMBOLS, TEXT
from unilinux.core.errors import BuildError
from unilinux.measure.boot.kernel import KERNEL_MAP, Kernel, read_kernel


def test_initcalls_come_from_the_table_with_their_levels(kernel_files: tuple[Path, Path]) -> None:
    kernel = read_kernel(*kernel_files)
    assert [(call.level, call.name) for call in kernel.initcalls] == [
        ("early", "first_init"),
        ("pure", "second_init"),
        ("device", "third_init"),
    ]
    assert kernel.initcalls[2].address == SYMBOLS["third_init"][0]


def test_what_runs_before_paging_has_two_addresses(kernel_files: tuple[Path, Path]) -> None:
    kernel = read_kernel(*kernel_files)
    assert kernel.addresses("startup_64") == (TEXT + 0x10, TEXT + 0x10 - KERNEL_MAP)
    assert kernel.load_address == 0x200000


def test_data_is_no_function(kernel_files: tuple[Path, Path]) -> None:
    kernel = read_kernel(*kernel_files)
    assert "__initcall_start" not in {function.name for function in kernel.functions}
    assert kernel.extent("do_one_initcall") == (TEXT + 0x200, TEXT + 0x240)


def test_a_kernel_without_symbols_has_no_addresses() -> None:
    assert Kernel().addresses("start_kernel") == ()
    assert Kernel().extent("do_one_initcall") is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read .*System\.map: No such file"):
        read_kernel(tmp_path / "vmlinux", tmp_path / "System.map")


def test_a_file_that_is_no_system_map(kernel_files: tuple[Path, Path]) -> None:
    vmlinux, system_map = kernel_files
    system_map.write_text("hello\n")
    with pytest.raises(BuildError, match=r"not a System\.map: 'hello'"):
        read_kernel(vmlinux, system_map)


def test_a_vmlinux_that_is_no_elf(kernel_files: tuple[Path, Path]) -> None:
    vmlinux, system_map = kernel_files
    vmlinux.write_bytes(b"MZ" + bytes(100))
    with pytest.raises(BuildError, match="is not a 64-bit ELF file"):
        read_kernel(vmlinux, system_map)


def test_a_system_map_of_another_build(kernel_files: tuple[Path, Path]) -> None:
    vmlinux, system_map = kernel_files
    system_map.write_text(system_map.read_text().replace("ffffffff80201", "ffffffff80401"))
    with pytest.raises(BuildError, match=r"this System\.map belongs to another vmlinux"):
        read_kernel(vmlinux, system_map)
