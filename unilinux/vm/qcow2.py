# SPDX-License-Identifier: GPL-2.0-only
"""The beginning of what is in a qcow2 image: enough to see which file system it holds.

The form is QEMU's docs/interop/qcow2.txt. All numbers are big-endian.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from unilinux.core.errors import HostError, UsageError

_MAGIC = b"QFI\xfb"
# Magic, version, offset and size of the backing file's name, bits of a cluster's size, size of the disk, encryption,
# entries of the first table, its offset.
_HEADER = struct.Struct(">4sIQIIQIIQ")
_OFFSET = 0x00FF_FFFF_FFFF_FE00  # bits of an entry that say where something is
_COMPRESSED = 1 << 62
_ZEROS = 1


def is_qcow2(file: Path) -> bool:
    """Whether a file begins as a qcow2 image does."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def read_qcow2(file: Path) -> tuple[int, bytes | None]:
    """The size of the disk (bytes), and its first cluster; None where that is compressed, or in another file.

    :raise UsageError: it isn't a qcow2 image.
    :raise HostError: it is cut off.
    """
    with file.open("rb") as opened:
        header = opened.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            raise UsageError(
                f"the volume {file} is no qcow2 image, though its name says so", hint=f"qemu-img info {file}"
            )
        _, _, backing, _, bits, size_bytes, encryption, _, table = _HEADER.unpack(header)
        if backing or encryption:
            return size_bytes, None
        end = os.fstat(opened.fileno()).st_size

        def entry(offset: int) -> int:
            opened.seek(offset)
            data = opened.read(8)
            if len(data) < 8:
                raise HostError(f"the volume {file} is cut off: it has {end:,} bytes", hint=f"qemu-img check {file}")
            return int.from_bytes(data, "big")

        second = entry(table) & _OFFSET
        cluster = entry(second) if second else 0
        if cluster & _COMPRESSED:
            return size_bytes, None
        if not cluster & _OFFSET or cluster & _ZEROS:
            return size_bytes, bytes(1 << bits)
        opened.seek(cluster & _OFFSET)
        return size_bytes, opened.read(1 << bits)
