"""How much memory a kernel takes before its first instruction."""

from __future__ import annotations

import struct
from pathlib import Path

from unilinux.core.errors import VmError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_PT_LOAD = 1

# The setup header of a bzImage (Documentation/arch/x86/boot.rst): its magic number,
# and pref_address and init_size, which it has since protocol 2.10 of 2009.
_BZIMAGE_MAGIC = (0x202, b"HdrS")
_BZIMAGE_PLACE = struct.Struct("<QI")
_BZIMAGE_PLACE_AT = 0x258
_BZIMAGE_HEADER_END = 0x264


def loaded_end(kernel: Path) -> int:
    """The physical address (bytes) behind the last byte that a kernel is loaded or unpacked to.

    A bzImage with KASLR may unpack itself to a place farther up, if there is memory.

    :raise VmError: the file cannot be read, or is neither a 64-bit ELF file nor a bzImage.
    """
    try:
        with kernel.open("rb") as file:
            header = file.read(_BZIMAGE_HEADER_END)
            if _is_bzimage(header):
                place, size = _BZIMAGE_PLACE.unpack_from(header, _BZIMAGE_PLACE_AT)
                return int(place) + int(size)
            if len(header) < _HEADER.size or header[:5] != b"\x7fELF\x02":
                raise VmError(f"{kernel} is neither a 64-bit ELF file (vmlinux) nor a bzImage")
            fields = _HEADER.unpack_from(header)
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


def _is_bzimage(header: bytes) -> bool:
    start, magic = _BZIMAGE_MAGIC
    return len(header) == _BZIMAGE_HEADER_END and header[start:].startswith(magic)
