# SPDX-License-Identifier: GPL-2.0-only
"""Where a kernel ends in memory."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from unilinux.core.errors import VmError
from unilinux.vm.footprint import BzImage, loaded_end, read_bzimage
from unilinux.vm.probe import probe_guest


def test_end_is_that_of_the_last_segment(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(probe_guest())
    assert loaded_end(kernel) == 0x100000 + len(probe_guest())


def test_file_that_is_cut_short(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(probe_guest()[:100])
    with pytest.raises(VmError, match="is cut short"):
        loaded_end(kernel)


def bzimage(path: Path, *, protocol: int = 0x20F) -> Path:
    """The setup header of a bzImage that unpacks to 16 MiB and takes 56 MiB there."""
    header = bytearray(0x400)
    header[0x202:0x208] = b"HdrS" + struct.pack("<H", protocol)
    header[0x258:0x264] = struct.pack("<QI", 16 << 20, 56 << 20)
    path.write_bytes(header)
    return path


def test_a_bzimage_says_where_it_unpacks_itself_to(tmp_path: Path) -> None:
    kernel = bzimage(tmp_path / "bzImage")
    assert read_bzimage(kernel) == BzImage(16 << 20, 56 << 20)
    assert loaded_end(kernel) == 72 << 20


def test_a_bzimage_of_old_says_nothing_of_that(tmp_path: Path) -> None:
    with pytest.raises(VmError, match="boot protocol 0x209; it takes 0x20a"):
        loaded_end(bzimage(tmp_path / "bzImage", protocol=0x209))


def test_an_elf_file_is_no_bzimage(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(probe_guest())
    assert read_bzimage(tmp_path / "vmlinux") is None


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x01" + bytes(100), b"MZ" + bytes(100)])
def test_file_that_is_no_kernel(tmp_path: Path, content: bytes) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(content)
    with pytest.raises(VmError, match="is not a 64-bit ELF file"):
        loaded_end(kernel)
