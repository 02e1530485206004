"""How much memory a kernel takes before its first instruction."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.errors import VmError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_PT_LOAD = 1

# The kernel's Documentation/arch/x86/boot.rst: where a bzImage has its magic, its
# version of the protocol, and from 2.10 on the address and the size that it wants.
_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_LOADS_AT = struct.Struct("<QI")
_LOADS_AT_OFFSET = 0x258
_LEAST_PROTOCOL = 0x20A


@dataclass(frozen=True, slots=True)
class BzImage:
    """What a bzImage says of itself: the kernel unpacks to ``address`` and takes ``size`` bytes from there."""

    address: int
    size: int


def read_bzimage(kernel: Path) -> BzImage | None:
    """The setup header of a bzImage; None if the file is something else.

    :raise VmError: the file cannot be read, or is older than protocol 2.10 (Linux 2.6.31).
    """
    header = _read(kernel, 0, _LOADS_AT_OFFSET + _LOADS_AT.size)
    if header[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] != _MAGIC:
        return None
    (protocol,) = struct.unpack_from("<H", header, _MAGIC_AT + len(_MAGIC))
    if protocol < _LEAST_PROTOCOL or len(header) < _LOADS_AT_OFFSET + _LOADS_AT.size:
        raise VmError(f"{kernel} is a bzImage of boot protocol {protocol:#x}; it takes {_LEAST_PROTOCOL:#x}")
    return BzImage(*_LOADS_AT.unpack_from(header, _LOADS_AT_OFFSET))


def loaded_end(kernel: Path) -> int:
    """The physical address (bytes) behind the last byte that a kernel is loaded or unpacked to.

    A bzImage with KASLR may unpack itself to a place farther up, if there is memory.

    :raise VmError: the file cannot be read, or is neither a 64-bit ELF file nor a bzImage.
    """
    compressed = read_bzimage(kernel)
    if compressed is not None:
        return compressed.address + compressed.size
    header = _read(kernel, 0, _HEADER.size)
    if len(header) < _HEADER.size or header[:5] != b"\x7fELF\x02":
        raise VmError(f"{kernel} is no 64-bit ELF file and no bzImage: the kernel to boot is vmlinux")
    fields = _HEADER.unpack(header)
    offset, size, count = fields[5], fields[9], fields[10]
    table = _read(kernel, offset, size * count)
    if size < _SEGMENT.size or len(table) < size * count:
        raise VmError(f"{kernel} is cut short")
    segments = [_SEGMENT.unpack_from(table, size * number) for number in range(count)]
    # Fields: type, flags, offset, virtual address, physical address, size in the file, in memory, alignment.
    return max((segment[4] + segment[6] for segment in segments if segment[0] == _PT_LOAD), default=0)


def _read(kernel: Path, offset: int, size: int) -> bytes:
    try:
        with kernel.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise VmError(f"cannot read the kernel {kernel}: {error.strerror}") from error
