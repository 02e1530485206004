# SPDX-License-Identifier: GPL-2.0-only
"""A tree as a cpio archive (“newc”), the same bytes for the same tree.

The format is in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst,
its reader is the kernel's init/initramfs.c. Times are 0, inode numbers count from 1;
device nodes and owners are only records here, so that no root is needed to make them.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.link.carrier import Cargo
from unilinux.link.listing import listing, name_of, problems_of, shown

ARCHIVE = "initramfs.cpio"
LISTING = "initramfs.list"

# Relative to the kernel's output folder. usr/Makefile takes a single file *.cpio as it is.
_LINKED = "usr/unilinux.cpio"
_TRAILER = "TRAILER!!!"
# A number of the format has eight hexadecimal digits.
_MOST = 0xFFFFFFFF
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Initramfs:
    """The carrier that links an archive into the kernel, which unpacks it into memory when it starts."""

    name: str = "initramfs"
    is_disk: bool = False

    @property
    def wishes(self) -> Mapping[str, str]:
        """See :class:`unilinux.link.carrier.Carrier`."""
        return MappingProxyType(
            {
                "BLK_DEV_INITRD": "y",
                "INITRAMFS_SOURCE": _LINKED,
                "INITRAMFS_COMPRESSION_NONE": "y",  # vmlinux isn't compressed: unpacking would only cost time
            }
        )

    @property
    def placeholders(self) -> Mapping[str, bytes]:
        """The shortest archive that the kernel accepts: the trailer, padded to a block of 512 bytes."""
        return MappingProxyType({_LINKED: _header(0, _TRAILER.encode(), mode=0).ljust(512, b"\0")})

    def pack(self, tree: Tree, store: Store) -> Cargo:
        """See :class:`unilinux.link.carrier.Carrier`."""
        packed = pack_initramfs(tree, store)
        archive = packed.path / ARCHIVE
        return Cargo(
            files=MappingProxyType({_LINKED: archive}),
            digest=packed.digest,
            size_bytes=archive.stat().st_size,
            initrd=archive,
        )


def pack_initramfs(tree: Tree, store: Store) -> Output:
    """A folder with ``initramfs.cpio`` and ``initramfs.list``, one line per entry.

    :raise ManifestError: the format, or the kernel that reads it, can't take an entry.
    :raise BuildError: a file was changed while it was packed.
    """
    _require_fit(tree)
    lines = listing(tree)
    digests = {entry.path: entry.digest for entry in tree.entries if isinstance(entry, File)}
    step = Step(
        name="initramfs",
        label="packing the initramfs",
        spec={"entries": lines},
        inputs=digests,
    )
    return store.run(step, lambda space: _pack(space, tree, lines, digests))


def archive_records(tree: Tree) -> Iterator[bytes]:
    """The archive's bytes, piece by piece."""
    for data, _ in _records(tree):
        yield data


def _records(tree: Tree) -> Iterator[tuple[bytes, File | None]]:
    """The archive's bytes, those of a file's content with that file."""
    number = 0
    for number, entry in enumerate(tree.entries, start=1):
        yield from _record(number, entry)
    yield _header(number + 1, _TRAILER.encode(), mode=0), None


def _pack(space: Workspace, tree: Tree, lines: tuple[str, ...], digests: Mapping[str, str]) -> None:
    found = {path: hashlib.sha256() for path in digests}
    with (space.out / ARCHIVE).open("wb") as file:
        for data, origin in _records(tree):
            if origin is not None:
                found[origin.path].update(data)
            file.write(data)
    changed = [path for path, digest in digests.items() if found[path].hexdigest() != digest]
    if changed:
        raise _changed(changed[0])
    (space.out / LISTING).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _require_fit(tree: Tree) -> None:
    problems = [f"{shown(entry.path)}: {problem}" for entry in tree.entries for problem in _problems(entry)]
    if problems:
        raise ManifestError("an initramfs can't hold some of the image's files", details=problems)


def _problems(entry: Entry) -> Iterator[str]:
    yield from problems_of(entry)
    if name_of(entry) == _TRAILER.encode():
        yield "the format has no such name"
    if isinstance(entry, File) and isinstance(entry.content, Path) and (size := entry.content.stat().st_size) > _MOST:
        yield f"it has {size:,} bytes; the format takes files of less than 4 GiB"


def _record(number: int, entry: Entry) -> Iterator[tuple[bytes, File | None]]:
    owner = (entry.uid, entry.gid)
    name = name_of(entry)
    match entry:
        case Directory(mode=mode):
            yield _header(number, name, mode=stat.S_IFDIR | mode, links=2, owner=owner), None
        case File(content=content, mode=mode):
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            yield _header(number, name, mode=stat.S_IFREG | mode, size=size, owner=owner), None
            written = 0
            for data in _content(content):
                written += len(data)
                yield data, entry
            if written != size:
                raise _changed(entry.path)
            yield bytes(-size % 4), None
        case Symlink(target=target):
            data = os.fsencode(target)
            yield _header(number, name, mode=stat.S_IFLNK | 0o777, size=len(data), owner=owner) + _padded(data), None
        case Device(kind=kind, major=major, minor=minor, mode=mode):
            type_bits = stat.S_IFCHR if kind == "c" else stat.S_IFBLK
            yield _header(number, name, mode=type_bits | mode, device=(major, minor), owner=owner), None


def _content(content: Path | bytes) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            yield data


def _changed(path: str) -> BuildError:
    return BuildError(f"the file for {path} was changed while it was packed", hint="run the same command again")


def _header(
    number: int,
    name: bytes,
    *,
    mode: int,
    links: int = 1,
    size: int = 0,
    device: tuple[int, int] = (0, 0),
    owner: tuple[int, int] = (0, 0),
) -> bytes:
    encoded = name + b"\0"
    time, check = 0, 0
    fields = (number, mode, *owner, links, time, size, 0, 0, *device, len(encoded), check)
    return _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
