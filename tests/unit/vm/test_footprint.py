"""Where a kernel ends in memory."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from unilinux.core.errors import VmError
from unilinux.vm.footprint import loaded_end
from unilinux.vm.probe import probe_guest


def test_end_is_that_of_the_last_segment(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(probe_guest())
    assert loaded_end(kernel) == 0x100000 + len(probe_guest())


def test_bzimage_ends_where_it_unpacks_itself_to(tmp_path: Path) -> None:
    header = bytearray(0x400)
    header[:2] = b"MZ"
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<QI", header, 0x258, 0x200000, 0x952000)
    kernel = tmp_path / "bzImage"
    kernel.write_bytes(header)
    assert loaded_end(kernel) == 0x200000 + 0x952000


def test_file_that_is_cut_short(tmp_path: Path) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(probe_guest()[:100])
    with pytest.raises(VmError, match="is cut short"):
        loaded_end(kernel)


@pytest.mark.parametrize(
    "content", [b"", b"\x7fELF", b"\x7fELF\x01" + bytes(100), b"MZ" + bytes(100), b"MZ" + bytes(0x200) + b"HdrS"]
)
def test_file_that_is_no_kernel(tmp_path: Path, content: bytes) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(content)
    with pytest.raises(VmError, match="is neither a 64-bit ELF file .vmlinux. nor a bzImage"):
        loaded_end(kernel)
