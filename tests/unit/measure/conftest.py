# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of four functions and three initcalls, as files; a measurement, and it as a budget."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from unilinux.measure.boot.kernel import KERNEL_MAP
from unilinux.measure.budget.budget import Budget, Measured, read_budget, write_budget

TEXT = KERNEL_MAP + 0x200000
INITCALLS = TEXT + 0x1000

SYMBOLS = {
    "_text": (TEXT, "T"),
    "startup_64": (TEXT + 0x10, "T"),
    "start_kernel": (TEXT + 0x100, "T"),
    "do_one_initcall": (TEXT + 0x200, "T"),
    "console_on_rootfs": (TEXT + 0x240, "T"),
    "start_thread": (TEXT + 0x260, "T"),
    "__x64_sys_listen": (TEXT + 0x280, "T"),
    "unilinux_init_exit": (TEXT + 0x2A0, "T"),
    "first_init": (TEXT + 0x300, "t"),
    "second_init": (TEXT + 0x310, "t"),
    "third_init": (TEXT + 0x320, "t"),
    "end_of_text": (TEXT + 0x330, "t"),
    "__initcall_start": (INITCALLS, "D"),
    "__initcall0_start": (INITCALLS + 4, "D"),
    "__initcall6_start": (INITCALLS + 8, "D"),
    "__initcall7_start": (INITCALLS + 12, "D"),
    "__initcall_end": (INITCALLS + 12, "D"),
}

MEASURED = Measured(
    stages={"firmware": 15_000, "initcalls.device": 2_000_000, "pid1": 3_000_000, "exit": 7},
    initcalls={"pty_init": 900_000, "chr_dev_init": 100_000},
    bytes={"vmlinux": 9_000_000, "bzImage": 1_000_000},
    parts={"net/ipv4": 70_000, "mm": 9_000},
    least_memory_mib=13,
    exits={"I/O APIC": 700, "CPUID": 400},
    config={"64BIT": "y", "DEFAULT_HOSTNAME": 'a "b" \\c', "LOG_BUF_SHIFT": "14"},
    linux="6.12.117",
    tools={"gcc": "gcc 12.2.0", "ld": "ld 2.40", "qemu": "QEMU 7.2"},
)


def elf(address: int, content: bytes) -> bytes:
    """A 64-bit ELF file with one loaded segment."""
    offset = 64 + 56
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, address, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, offset, address, address, len(content), len(content), 4096)
    return header + segment + content


@pytest.fixture
def kernel_files(tmp_path: Path) -> tuple[Path, Path]:
    """vmlinux and System.map."""
    table = b"".join(
        struct.pack("<i", SYMBOLS[name][0] - (INITCALLS + 4 * index))
        for index, name in enumerate(("first_init", "second_init", "third_init"))
    )
    vmlinux, system_map = tmp_path / "vmlinux", tmp_path / "System.map"
    vmlinux.write_bytes(elf(INITCALLS, table))
    lines = (f"{address:016x} {kind} {name}" for name, (address, kind) in SYMBOLS.items())
    system_map.write_text("\n".join(lines) + "\n")
    return vmlinux, system_map


@pytest.fixture
def budget_path(tmp_path: Path) -> Path:
    return tmp_path / "apps" / "hello" / "budget.toml"


@pytest.fixture
def budget(budget_path: Path) -> Budget:
    """What :data:`MEASURED` is, as a budget."""
    write_budget(budget_path, MEASURED, profile="tiny", machine="microvm", memory_mib=128)
    return read_budget(budget_path)
