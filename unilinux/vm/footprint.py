# SPDX-License-Identifier: GPL-2.0-only
"""How much memory a kernel takes before its first instruction."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.errors import BootError, BuildError, VmError
from unilinux.elf.file import read_elf
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import OutOfMemory

# The kernel's Documentation/arch/x86/boot.rst: where a bzImage has its magic, its
# version of the protocol, and from 2.10 on the address and the size that it wants.
_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_LOADS_AT = struct.Struct("<QI")
_LOADS_AT_OFFSET = 0x258
_LEAST_PROTOCOL = 0x20A

_MIB = 1 << 20
_BELOW_KERNEL = 2 * _MIB  # what lies below a kernel is used for other things
_LEAST_ROOM = 4 * _MIB  # behind the kernel: with 1 MiB, 6.12 doesn't get to its first message


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
    try:
        return read_elf(kernel).loaded_end
    except BuildError as error:
        raise VmError(error.message, hint="the kernel to boot is a vmlinux or a bzImage") from error


def require_memory(boot: Boot) -> int:
    """Where the kernel ends in memory (bytes).

    :raise BootError: that, or what the kernel unpacks beside it, is more than the machine has.
    :raise VmError: as :func:`loaded_end`.
    """
    memory_mib = boot.machine.spec.memory_mib
    end = loaded_end(boot.kernel)
    if end > memory_mib * _MIB:
        raise _too_little(memory_mib, end, f"the kernel alone reaches up to {end / _MIB:.1f} MiB")
    # Unpacked, the files are there a second time; an inode and a page for each are more than an archive's header.
    beside = boot.files_bytes + (boot.initrd.stat().st_size if boot.initrd is not None else 0)
    least = end - _BELOW_KERNEL + beside
    if least > memory_mib * _MIB:
        kernel_mib = (end - _BELOW_KERNEL) / _MIB
        why = f"the kernel takes {kernel_mib:.1f} MiB, and the files that it unpacks {beside / _MIB:.1f} MiB more"
        raise _too_little(memory_mib, least, why)
    return end


def _too_little(memory_mib: int, least: int, why: str) -> BootError:
    return BootError(OutOfMemory(memory_mib, why).explain(), hint=f"give it more: --memory {2 * -(-least // _MIB)}")


def silent_shortage(boot: Boot, kernel_end: int) -> OutOfMemory | None:
    """Whether a kernel that never said a word seems to have had too little memory for that."""
    memory_mib = boot.machine.spec.memory_mib
    if memory_mib * _MIB >= kernel_end + _LEAST_ROOM:
        return None
    return OutOfMemory(memory_mib, f"the kernel, which reaches up to {kernel_end / _MIB:.1f} MiB, did not say a word")


def _read(kernel: Path, offset: int, size: int) -> bytes:
    try:
        with kernel.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        raise VmError(f"cannot read the kernel {kernel}: {error.strerror}") from error
