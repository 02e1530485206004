"""A tree as a cpio archive (“newc”), the same bytes for the same tree.

The format is in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
Times are 0, the owner is root, inode numbers count from 1; device nodes are only
records here, so that no root is needed to make them.
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from unilinux.core import tree as tree_module
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree

ARCHIVE = "initramfs.cpio"
LISTING = "initramfs.list"

_TRAILER = "TRAILER!!!"


def pack_initramfs(tree: Tree, store: Store) -> Output:
    """A folder with ``initramfs.cpio`` and ``initramfs.list``, one line per entry."""
    lines = listing(tree)
    step = Step(
        name="initramfs",
        label="packing the initramfs",
        spec={"entries": lines},
        inputs={entry.path: entry.digest for entry in tree.entries if isinstance(entry, File)},
        code=(sys.modules[__name__], tree_module),
    )
    return store.run(step, lambda space: _pack(space, tree, lines))


def listing(tree: Tree) -> tuple[str, ...]:
    """One line per entry: kind, mode, path, and the link's target or the device's numbers."""
    return tuple(_line(entry) for entry in tree.entries)


def archive_records(tree: Tree) -> Iterator[bytes]:
    """The archive's bytes, record by record."""
    number = 0
    for number, entry in enumerate(tree.entries, start=1):
        yield _record(number, entry)
    yield _header(number + 1, _TRAILER, mode=0, links=1)


def _pack(space: Workspace, tree: Tree, lines: tuple[str, ...]) -> None:
    with (space.out / ARCHIVE).open("wb") as file:
        for record in archive_records(tree):
            file.write(record)
    (space.out / LISTING).write_text("".join(f"{line}\n" for line in lines))


def _line(entry: Entry) -> str:
    match entry:
        case Directory(path, mode):
            return f"dir {mode:04o} {path}"
        case File(path, _, mode):
            return f"file {mode:04o} {path}"
        case Symlink(path, target):
            return f"slink 0777 {path} {target}"
        case Device(path, kind, major, minor, mode):
            return f"nod {mode:04o} {path} {kind} {major} {minor}"


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.removeprefix("/")
    match entry:
        case Directory(_, mode):
            return _header(number, name, mode=stat.S_IFDIR | mode, links=2)
        case File(_, content, mode):
            data = content.read_bytes() if isinstance(content, Path) else content
            return _header(number, name, mode=stat.S_IFREG | mode, size=len(data)) + _padded(data)
        case Symlink(_, target):
            data = target.encode()
            return _header(number, name, mode=stat.S_IFLNK | 0o777, size=len(data)) + _padded(data)
        case Device(_, kind, major, minor, mode):
            type_bits = stat.S_IFCHR if kind == "c" else stat.S_IFBLK
            return _header(number, name, mode=type_bits | mode, device=(major, minor))


def _header(
    number: int, name: str, *, mode: int, links: int = 1, size: int = 0, device: tuple[int, int] = (0, 0)
) -> bytes:
    encoded = name.encode() + b"\0"
    owner, group, time, check = 0, 0, 0, 0
    fields = (number, mode, owner, group, links, time, size, 0, 0, *device, len(encoded), check)
    return _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
