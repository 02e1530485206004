# SPDX-License-Identifier: GPL-2.0-only
"""ext4 in a file of the host: made without root, and seen to be there.

The layout of the superblock is in the kernel's Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from unilinux.core.command import run
from unilinux.core.errors import CommandError, HostError, UsageError

_MIB = 1 << 20
_SUPERBLOCK = 1024
_SUPERBLOCK_SIZE = 1024
_MAGIC_AT, _MAGIC = 0x38, 0xEF53
_BLOCKS_LOW_AT, _BLOCKS_HIGH_AT, _BLOCK_SIZE_AT, _STATE_AT, _INCOMPATIBLE_AT = 0x04, 0x150, 0x18, 0x3A, 0x60
_HAS_ERRORS = 0x2
_64BIT = 0x80

# Where others have their magic numbers: from their kernel headers, as blkid knows them.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"XFSB", "XFS"),
    (0x10040, b"_BHRfS_M", "Btrfs"),
    (0x400, b"\xe2\xe1\xf5\xe0", "EROFS"),
    (0x400, b"\x10\x20\xf5\xf2", "F2FS"),
    (0, b"hsqs", "SquashFS"),
    (3, b"NTFS    ", "NTFS"),
    (0xFF6, b"SWAPSPACE2", "swap space"),
    (0x8001, b"CD001", "ISO 9660"),
    (0, b"LUKS\xba\xbe", "LUKS (encrypted)"),
    (0x36, b"FAT", "FAT"),
    (0x52, b"FAT", "FAT"),
    (0x1FE, b"\x55\xaa", "partitions, of which UniLinux takes none: a volume is one file system"),
)


def make_ext4(file: Path, *, size_mib: int, label: str) -> None:
    """Make a file with an empty file system: really empty, since databases refuse folders with a ``lost+found``.

    :raise HostError: the tools of ext4 aren't installed.
    :raise CommandError: they failed.
    """
    with file.open("wb") as made:
        os.truncate(made.fileno(), size_mib * _MIB)
    # No blocks are reserved for root, who is nobody else than the application.
    run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-m", "0", "-E", "root_owner=0:0", file])
    run(["debugfs", "-w", "-R", "rmdir lost+found", file])


def require_ext4(file: Path, begin: bytes, *, size_bytes: int, is_raw: bool) -> None:
    """See that a disk holds a sound ext4, or an ext2 or ext3, which the same driver mounts.

    :param begin: the first bytes of the disk.
    :param is_raw: whether the file is the disk itself, so that tools of the host can read it.
    :raise UsageError: it holds something else, or nothing.
    :raise HostError: it is damaged.
    """
    block = begin[_SUPERBLOCK : _SUPERBLOCK + _SUPERBLOCK_SIZE]
    if len(block) < _SUPERBLOCK_SIZE or _number("<H", block, _MAGIC_AT) != _MAGIC:
        raise _no_ext4(file, begin)
    blocks = _number("<I", block, _BLOCKS_LOW_AT)
    if _number("<I", block, _INCOMPATIBLE_AT) & _64BIT:
        blocks |= _number("<I", block, _BLOCKS_HIGH_AT) << 32
    wanted = blocks << (10 + _number("<I", block, _BLOCK_SIZE_AT))
    if wanted > size_bytes:
        raise HostError(
            f"the volume {file} is cut off: its file system has {wanted:,} bytes, the disk {size_bytes:,}",
            hint="take a whole copy of it",
        )
    if _number("<H", block, _STATE_AT) & _HAS_ERRORS:
        raise _damaged(file, "a kernel has found errors in it", is_raw=is_raw)
    if is_raw:
        lines: list[str] = []
        try:
            run(["dumpe2fs", "-h", file], on_line=lines.append)
        except CommandError as error:
            said = next((line.strip() for line in lines if line.startswith("dumpe2fs: ")), error.message)
            raise _damaged(file, said, is_raw=True) from error


def _number(form: str, block: bytes, at: int) -> int:
    (value,) = struct.unpack_from(form, block, at)
    assert isinstance(value, int)
    return value


def _no_ext4(file: Path, begin: bytes) -> UsageError:
    found = next((name for at, magic, name in _OTHERS if begin[at : at + len(magic)] == magic), None)
    if found is not None:
        return UsageError(f"the volume {file} holds no ext4 but {found}", hint="take another file: --volume FILE:/PATH")
    what = "nothing" if not any(begin) else "no file system that is known"
    return UsageError(
        f"the volume {file} holds {what}",
        hint=f"remove it, and it is made anew; or make a file system in it: mke2fs -t ext4 {file}",
    )


def _damaged(file: Path, why: str, *, is_raw: bool) -> HostError:
    mend = f"e2fsck -f {file}" if is_raw else f"mend it: qemu-img check {file}, and e2fsck -f on a raw copy"
    return HostError(f"the file system of the volume {file} is damaged: {why}", hint=mend)
