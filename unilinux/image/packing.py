# SPDX-License-Identifier: GPL-2.0-only
"""Which carrier takes an image's files: the user's choice, or by what the files would cost in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.core.tree import File, Tree
from unilinux.link.carrier import Carrier
from unilinux.link.erofs import Erofs
from unilinux.link.initramfs import Initramfs

LARGE_MIB = 24
"""From how much on the files go on a disk. There neither the start nor the least memory depends on their size
(docs/data.md); below, an image that is one file is worth the memory."""

_MIB = 1 << 20

CARRIERS: Mapping[str, Carrier] = MappingProxyType({carrier.name: carrier for carrier in (Initramfs(), Erofs())})


def find_carrier(name: str) -> Carrier:
    """The carrier that ``--pack`` names.

    :raise UsageError: there is none.
    """
    if name not in CARRIERS:
        raise UsageError(unknown("way to pack the files", name, CARRIERS))
    return CARRIERS[name]


def is_large(tree: Tree, memory_mib: int) -> bool:
    """Whether files are better off on a disk: there are many bytes of them, or the memory can't hold them twice."""
    size = sum(_size(entry) for entry in tree.entries if isinstance(entry, File))
    return size > LARGE_MIB * _MIB or 2 * size > memory_mib * _MIB


def _size(file: File) -> int:
    return file.content.stat().st_size if isinstance(file.content, Path) else len(file.content)
