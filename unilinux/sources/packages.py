# SPDX-License-Identifier: GPL-2.0-only
"""Debian's binary packages unpacked into one tree, without root: owners and set-id bits are kept as entries.

The tree has a merged /usr, as Debian itself since version 12: what packages have in /bin, /lib and the like
lies in /usr/bin, /usr/lib, to which links lead.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from unilinux.core.command import clean_environment, require_tool
from unilinux.core.errors import BuildError, DownloadError
from unilinux.core.files import explained_disk_errors
from unilinux.core.tree import Directory, Entry, File, Symlink
from unilinux.fetch.members import name_problem

_MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


def merged(path: str) -> str:
    """An absolute path as it is with a merged /usr, in its normal form."""
    parts = PurePosixPath(posixpath.normpath(path)).parts[1:]
    return "/" + "/".join(("usr", *parts) if parts[:1] and parts[0] in _MERGED else parts)


class Unpacking:
    """A folder of the host that packages are unpacked to, one after the other, and the tree that it holds so far.

    Links are made in the end, so that no file is ever written through one.

    :param exclude: patterns of paths that are left out, with all that is below.
    :param keep: patterns of paths that stay in spite of that, with all that is below.
    """

    def __init__(self, folder: Path, exclude: tuple[str, ...] = (), keep: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._exclude = tuple(merged(pattern) for pattern in exclude)
        self._keep = tuple(merged(pattern) for pattern in keep)
        self._owners: dict[str, str] = {}
        self.entries: dict[str, Entry] = {}
        """What there is, by path."""

    def add_package(self, name: str, package: Path) -> None:
        """Unpack a package.

        :raise DownloadError: it is damaged.
        :raise BuildError: it has a file that another one has, too, or one that can't be in an image.
        """
        with explained_disk_errors(self._folder), _files_of(package) as tar:
            for member in tar:
                problem = name_problem(member.name) or name_problem(member.linkname)
                if problem is None and ".." in member.name.split("/"):
                    problem = f"the name {member.name!r} has '..' in it"
                if problem is not None:
                    raise BuildError(f"the package {name} can't be unpacked: {problem}")
                self._add_member(name, tar, member)

    def add(self, entry: Entry, origin: str) -> None:
        """Add an entry that ``origin`` has; folders above it are made.

        :raise BuildError: its path is taken, or lies below what is no folder.
        """
        for above in reversed(PurePosixPath(entry.path).parents[:-1]):
            if not isinstance(self.entries.setdefault(str(above), Directory(str(above))), Directory):
                raise BuildError(
                    f"{origin} has {entry.path}, but {above} is no folder in {self._owners[str(above)]}",
                    hint="leave one of them out by source.exclude in app.toml",
                )
        before = self.entries.get(entry.path)
        if before is not None and not (isinstance(before, Directory) and isinstance(entry, Directory)):
            raise BuildError(
                f"both {self._owners.get(entry.path, 'another package')} and {origin} have {entry.path}",
                hint="leave one package out by source.without, or the file by source.exclude, in app.toml",
            )
        # Like dpkg, a folder is as the first package has it that lists it.
        if self._owners.setdefault(entry.path, origin) == origin:
            self.entries[entry.path] = entry

    def add_text(self, path: str, text: bytes, origin: str) -> None:
        """Add a file of root's with these bytes.

        :raise BuildError: as for :meth:`add`.
        """
        self.add(File(path, self._place(path)), origin)
        self._opened(path).write_bytes(text)

    def own_directory(self, directory: Directory, origin: str) -> None:
        """Give a folder this owner and mode; it is made if no package has it.

        :raise BuildError: its path is that of something else.
        """
        if not isinstance(self.entries.get(directory.path), Directory):
            self.add(directory, origin)
        self.entries[directory.path] = directory

    def add_alternative(self, path: str, target: str, origin: str) -> None:
        """Add a link to something that a package has.

        :raise BuildError: no package has it, or the link's path is taken.
        """
        if merged(target) not in self.entries:
            raise BuildError(f"{origin} leads {path} to {target}, which no package has")
        self.add(Symlink(merged(path), target), origin)

    def finish(self) -> tuple[Entry, ...]:
        """Make the links of the merged /usr, and all links and folders on the host; what the tree holds."""
        for name in _MERGED:
            if f"/usr/{name}" in self.entries:
                self.add(Symlink(f"/{name}", f"usr/{name}"), "the merged /usr")
        for entry in self.entries.values():
            if isinstance(entry, Directory):
                self._place(entry.path).mkdir(parents=True, exist_ok=True)
            elif isinstance(entry, Symlink):
                os.symlink(entry.target, self._opened(entry.path))
        return tuple(self.entries.values())

    def _add_member(self, name: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        raw = posixpath.normpath(f"/{member.name.lstrip('/')}")
        path, origin = merged(raw), f"the package {name}"
        owner = {"uid": member.uid, "gid": member.gid}
        if path == "/" or self._is_excluded(path):
            return
        if member.isdir():
            self.add(Directory(path, member.mode, **owner), origin)
        elif member.issym():
            # Nothing but the merge itself, or what served while /usr wasn't merged.
            own = raw != path and raw.count("/") == 1
            if not own and merged(posixpath.join(posixpath.dirname(raw), member.linkname)) != path:
                self.add(Symlink(path, member.linkname, **owner), origin)
        elif member.isreg():
            self.add(File(path, self._place(path), member.mode, **owner), origin)
            with self._opened(path).open("wb") as target:
                shutil.copyfileobj(cast("BinaryIO", tar.extractfile(member)), target)
        elif member.islnk():
            self._add_hard_link(path, merged(f"/{member.linkname}"), origin)
        else:
            raise BuildError(f"{origin} has {path}, a device or pipe: only files, folders and links can be in an image")

    def _add_hard_link(self, path: str, target: str, origin: str) -> None:
        first = self.entries.get(target)
        if not isinstance(first, File):
            raise BuildError(
                f"{origin} has {path}, a hard link to {target}, which is left out",
                hint="leave out both, or none of them, by source.exclude in app.toml",
            )
        self.add(File(path, self._place(path), first.mode, first.uid, first.gid), origin)
        shutil.copyfile(self._place(target), self._opened(path))

    def _is_excluded(self, path: str) -> bool:
        places = [path, *map(str, PurePosixPath(path).parents)]

        def is_below(patterns: tuple[str, ...]) -> bool:
            return any(fnmatchcase(place, pattern) for pattern in patterns for place in places)

        return is_below(self._exclude) and not is_below(self._keep)

    def _place(self, path: str) -> Path:
        return self._folder / path.lstrip("/")

    def _opened(self, path: str) -> Path:
        """Where a path lies on the host, with the folder above it made."""
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


@contextmanager
def _files_of(package: Path) -> Iterator[tarfile.TarFile]:
    """The files of a package, to be read in their order.

    :raise DownloadError: the package is damaged.
    """
    argv = [str(require_tool("dpkg-deb")), "--fsys-tarfile", str(package)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()) as process:
        stream = cast("BinaryIO", process.stdout)
        try:
            with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
                yield tar
            while stream.read(1 << 16):
                pass  # the padding at its end
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(package, str(error)) from error
        except BaseException:
            process.kill()  # nobody reads the rest
            raise
    if process.returncode != 0:
        raise _damaged(package, f"dpkg-deb exited with status {process.returncode}")


def _damaged(package: Path, why: str) -> DownloadError:
    return DownloadError(
        f"cannot unpack {package}",
        details=(why,),
        hint=f"it may be damaged: rm {package}   and run the same command again",
    )
