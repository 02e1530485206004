# SPDX-License-Identifier: GPL-2.0-only
"""A tree of files as a value: what an image holds, whatever carries it into the guest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from unilinux.core.errors import ManifestError
from unilinux.core.files import digest_bytes, digest_file


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder of the guest.

    Here and below, ``mode`` holds the permissions with the set-id and sticky bits, ``uid`` and ``gid`` are its owner's.
    """

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A file of the guest, with the bytes of a file of the host or with these bytes."""

    path: str
    content: Path | bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return digest_bytes(self.content) if isinstance(self.content, bytes) else digest_file(self.content)


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link of the guest."""

    path: str
    target: str
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the guest: ``c`` for a character device, ``b`` for a block device."""

    path: str
    kind: Literal["c", "b"]
    major: int
    minor: int
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


Entry = Directory | File | Symlink | Device


@dataclass(frozen=True, slots=True)
class Tree:
    """Entries sorted by path, each path once, each after the folder it lies in."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Tree:
        """The tree of these entries, with the folders that they need (root's, mode 0755) added.

        :raise ManifestError: a path is given twice, or something lies below what is no folder.
        """
        found: dict[str, Entry] = {}
        for entry in entries:
            if entry.path in found:
                raise ManifestError(f"the image would hold {entry.path} twice")
            found[entry.path] = entry
        for path in list(found):
            for parent in PurePosixPath(path).parents:
                if str(parent) == "/":
                    continue
                above = found.setdefault(str(parent), Directory(str(parent)))
                if not isinstance(above, Directory):
                    raise ManifestError(f"the image would hold {path}, but {parent} is no folder")
        return cls(tuple(found[path] for path in sorted(found)))
