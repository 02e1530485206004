# SPDX-License-Identifier: GPL-2.0-only
"""Which kinds of source there are."""

from __future__ import annotations

from unilinux.sources.archive import ArchiveSource
from unilinux.sources.deb import DebSource
from unilinux.sources.debian import DebianSource
from unilinux.sources.elf import ElfSource
from unilinux.sources.folder import FolderSource
from unilinux.sources.local import LocalSource
from unilinux.sources.oci import OciSource
from unilinux.sources.source import Source

KINDS: tuple[type[Source], ...] = (
    DebianSource,
    DebSource,
    OciSource,
    ArchiveSource,
    FolderSource,
    ElfSource,
    LocalSource,
)
"""A manifest's ``[source]`` is one of these, by its ``kind``."""
