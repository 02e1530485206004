# SPDX-License-Identifier: GPL-2.0-only
"""A tree as lines for people and keys, and what Linux takes of it, whatever carries it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree

# include/uapi/linux/limits.h: PATH_MAX, with the zero at the end, and NAME_MAX.
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
_MOST_OWNER = 0xFFFFFFFF


def listing(tree: Tree) -> tuple[str, ...]:
    """One line per entry: kind, mode, path, the link's target or the device's numbers, and an owner other than root.

    Line breaks and bytes that are no UTF-8 are escaped, as in a string of Python.
    """
    return tuple(_line(entry) for entry in tree.entries)


def shown(path: str) -> str:
    """A path on one line of UTF-8; one without odd characters is itself."""
    return "".join(char if char.isprintable() and char != "\\" else ascii(char)[1:-1] for char in path)


def name_of(entry: Entry) -> bytes:
    """The path below the root: the bytes of a name that isn't UTF-8 stay what they are."""
    return os.fsencode(entry.path.removeprefix("/"))


def problems_of(entry: Entry) -> Iterator[str]:
    """Why Linux takes no such path, owner or link."""
    name = name_of(entry)
    if len(name) >= _LONGEST_PATH:
        yield f"the path has {len(name):,} bytes; Linux takes {_LONGEST_PATH - 1:,}"
    longest = max(PurePosixPath(entry.path).parts, key=lambda part: len(os.fsencode(part)))
    if len(os.fsencode(longest)) > _LONGEST_NAME:
        yield f"a name in it has {len(os.fsencode(longest)):,} bytes; Linux takes {_LONGEST_NAME}"
    if b"\0" in name:
        yield "there is no such name"
    if not (0 <= entry.uid <= _MOST_OWNER and 0 <= entry.gid <= _MOST_OWNER):
        yield f"the owner {entry.uid}:{entry.gid} is no pair of numbers of 32 bits"
    if isinstance(entry, Symlink) and not 0 < len(os.fsencode(entry.target)) < _LONGEST_PATH:
        yield f"the link's target has {len(os.fsencode(entry.target)):,} bytes; Linux takes 1 to {_LONGEST_PATH - 1:,}"


def _line(entry: Entry) -> str:
    owner = f" {entry.uid}:{entry.gid}" if entry.uid or entry.gid else ""
    path = shown(entry.path)
    match entry:
        case Directory(mode=mode):
            return f"dir {mode:04o} {path}{owner}"
        case File(mode=mode):
            return f"file {mode:04o} {path}{owner}"
        case Symlink(target=target):
            return f"slink 0777 {path} {shown(target)}{owner}"
        case Device(kind=kind, major=major, minor=minor, mode=mode):
            return f"nod {mode:04o} {path} {kind} {major} {minor}{owner}"
