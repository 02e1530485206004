"""How much memory a kernel takes before its first instruction."""

from __future__ import annotations

import struct
from pathlib import Path

from unilinux.core.errors import VmError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_PT_LOAD = 1


def loaded_end(kernel: Path) -> int:
    """The physical address (bytes) behind the last byte that an ELF kernel is loaded to.

    :raise VmError: the file cannot be read, or is no 64-bit ELF file.
    """
    try:
        with kernel.open("rb") as file:
            header = file.read(_HEADER.size)
            if len(header) < _HEADER.size or header[:5] != b"\x7fELF\x02":
                raise VmError(f"{kernel} is no 64-bit ELF file; the kernel to boot is vmlinux, not bzImage")
            fields = _HEADER.unpack(header)
            offset, size, count = fields[5], fields[9], fields[10]
            file.seek(offset)
            table = file.read(size * count)
    except OSError as error:
        raise VmError(f"cannot read the kernel {kernel}: {error.strerror}") from error
    if size < _SEGMENT.size or len(table) < size * count:
        raise VmError(f"{kernel} is cut short")
    segments = [_SEGMENT.unpack_from(table, size * number) for number in range(count)]
    # Fields: type, flags, offset, virtual address, physical address, size in the file, in memory, alignment.
    return max((segment[4] + segment[6] for segment in segments if segment[0] == _PT_LOAD), default=0)
