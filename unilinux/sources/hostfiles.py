# SPDX-License-Identifier: GPL-2.0-only
"""A folder of this host as a tree of files, and the same tree kept as text."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from unilinux.core.errors import BuildError
from unilinux.core.files import sorted_tree
from unilinux.core.tree import Directory, Entry, File, Symlink, Tree
from unilinux.fetch.members import name_problem

# What a host's umask and a checkout leave open; an image must not depend on it.
_FOLDER, _PROGRAM, _FILE = 0o755, 0o755, 0o644
_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX


def tree_of(folder: Path) -> Tree:
    """All that lies in a folder, with paths from ``/`` on.

    Everything is root's. Folders and programs have mode 0755, other files 0644; set-id and sticky bits are kept.

    :raise BuildError: a device, pipe or socket is among it.
    """
    return Tree.of(entries_of(folder, "/"))


def entries_of(origin: Path, at: str) -> Iterator[Entry]:
    """A file, or a folder with all that is in it, as entries at the guest's path ``at``; a link stays one.

    :raise BuildError: a device, pipe or socket is among it.
    """
    status = os.lstat(origin)
    special = stat.S_IMODE(status.st_mode) & _SPECIAL
    if stat.S_ISLNK(status.st_mode):
        yield Symlink(at, os.readlink(origin))
    elif stat.S_ISREG(status.st_mode):
        yield File(at, origin, (_PROGRAM if status.st_mode & 0o111 else _FILE) | special)
    elif stat.S_ISDIR(status.st_mode):
        if at != "/":
            yield Directory(at, _FOLDER | special)
        for inside in sorted(origin.iterdir()):
            yield from entries_of(inside, f"{at.rstrip('/')}/{inside.name}")
    else:
        raise BuildError(f"{origin} is a device, pipe or socket: only files, folders and links can be in an image")


def modes_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The unusual modes, by path: programs, set-id and sticky bits. The digests of files and folders don't hold them.

    :raise BuildError: a device, pipe or socket is among it.
    """
    found = (entry for name in names for entry in entries_of(folder / name, f"/{name}"))
    return {
        entry.path: f"{entry.mode:04o}"
        for entry in found
        if (isinstance(entry, File) and entry.mode != _FILE) or (isinstance(entry, Directory) and entry.mode != _FOLDER)
    }


def require_portable(folder: Path, names: Iterable[str] | None = None) -> None:
    """See that a folder, or what has these names in it, is a source by itself wherever it is copied to.

    :raise BuildError: a link leads out of the folder, something is no file, folder or link, or a name
        can't be in an image.
    """
    top = folder.resolve()
    for path in sorted_tree(folder):
        name = path.relative_to(folder).as_posix()
        if names is not None and name.split("/", 1)[0] not in names:
            continue
        if problem := name_problem(name):
            raise BuildError(f"{folder}: {problem}")
        if path.is_symlink():
            target = os.readlink(path)
            if os.path.isabs(target) or not Path(os.path.realpath(path)).is_relative_to(top):
                raise BuildError(
                    f"{folder}: the link {name!r} leads out of it, to {target!r}",
                    hint="a source must hold all that its links lead to; make them relative",
                )
        elif not path.is_file() and not path.is_dir():
            raise BuildError(f"{path} is a device, pipe or socket: only files, folders and links can be a source")


def copy(origin: Path, target: Path) -> None:
    """Copy a file or a folder, with links as links; the folders above ``target`` are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if origin.is_dir() and not origin.is_symlink():
        shutil.copytree(origin, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy(origin, target, follow_symlinks=False)
