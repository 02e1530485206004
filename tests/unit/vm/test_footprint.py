"""Where a kernel ends in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import VmError
from unilinux.vm.footprint import loaded_end
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


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x01" + bytes(100), b"MZ" + bytes(100)])
def test_file_that_is_no_kernel(tmp_path: Path, content: bytes) -> None:
    kernel = tmp_path / "vmlinux"
    kernel.write_bytes(content)
    with pytest.raises(VmError, match="is no 64-bit ELF file"):
        loaded_end(kernel)
