# SPDX-License-Identifier: GPL-2.0-only
"""Layers of a container image put on each other, without root: owners, modes and links are kept as entries.

Python's tarfile reads the members, and what has been read decides what is written. Debian 12's tools don't fit: skopeo
unpacks nothing, and ``umoci unpack --rootless`` keeps owners as extended attributes, which not every file system has,
makes empty files of device nodes, sets modes that keep whoever builds from reading, and doesn't know zstd.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import shutil
import subprocess
import tarfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import BinaryIO, cast

from unilinux.core.command import clean_environment, require_tool
from unilinux.core.errors import BuildError, DownloadError
from unilinux.core.tree import Directory, Entry, File, Symlink, Tree
from unilinux.fetch.members import MOST_BYTES, name_problem

_WHITEOUT, _OPAQUE, _RESERVED = ".wh.", ".wh..wh..opq", ".wh..wh."
_DECOMPRESSORS: Mapping[bytes, str] = MappingProxyType({b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"})
_OTHERS: Mapping[bytes, str] = MappingProxyType(
    {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x04\x22\x4d\x18": "lz4", b"LZIP": "lzip"}
)
_MOST_ENTRIES = 1_000_000
_MOST_NAME_BYTES, _MOST_PATH_BYTES, _MOST_FOLDERS = 255, 2048, 200
_MOST_LINKS = 40  # as the kernel
_LAST_ID = (1 << 32) - 2
_CHUNK_BYTES = 1 << 20


class Layers:
    """What the layers so far hold.

    Contents lie as numbered files in a folder of their own, so no name of a layer is one of the host before
    :meth:`lay_out`, when it is known which folders are there and which are links.

    :param contents: an empty folder, on the file system of the folder that :meth:`lay_out` fills.
    :param most_bytes: how much all layers may unpack to, holes included.
    """

    def __init__(self, contents: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self._contents = contents
        self._bytes_left = most_bytes
        self._most_bytes = most_bytes
        self._count = 0
        self._entries: dict[str, Entry] = {}
        self._inside: dict[str, set[str]] = {}
        self._own: set[str] = set()  # what the present layer has, and the folders above

    def apply(self, file: BinaryIO, diff_id: str) -> None:
        """Put a layer on top.

        :param file: an open file of the host, plain or compressed by gzip or zstd.
        :param diff_id: the digest of the tarball, as the image's configuration has it.
        :raise DownloadError: it is damaged, cut off, or of another content.
        :raise BuildError: it has something that can't be in an image.
        :raise HostError: the program that decompresses it isn't installed.
        """
        self._own = set()
        try:
            with _decompressed(file, diff_id) as stream:
                hashed = _Hashed(stream, diff_id.split(":", maxsplit=1)[0])
                with tarfile.open(
                    fileobj=cast("BinaryIO", hashed), mode="r|", encoding="utf-8", errors="surrogateescape"
                ) as tar:
                    for member in tar:
                        self._take(tar, member)
                        if member.isreg() and not member.issparse():
                            hashed.require(member.offset_data + member.size)
                        tar.members = []  # type: ignore[attr-defined] # else it keeps them all
                hashed.read_rest()
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise DownloadError(
                f"the layer {diff_id} is damaged, cut off, or no tarball",
                details=(str(error),),
                hint="get the image once more",
            ) from error
        if hashed.digest != diff_id:
            raise DownloadError(
                "a layer has another content than the image's configuration promises",
                details=(f"promised {diff_id}", f"found    {hashed.digest}"),
                hint="get the image once more",
            )

    def lay_out(self, target: Path) -> Tree:
        """Make files, folders and links in an empty folder; the tree that it then holds.

        :raise BuildError: there is nothing to make.
        """
        if not self._entries:
            raise BuildError("the image is empty: its layers have no files")
        target.mkdir(parents=True, exist_ok=True)
        made: list[Entry] = []
        for path in sorted(self._entries):
            entry, place = self._entries[path], target / path.lstrip("/")
            if isinstance(entry, Directory):
                place.mkdir()
            elif isinstance(entry, File):
                os.link(cast("Path", entry.content), place)
                entry = replace(entry, content=place)
            made.append(entry)
        # Links come last, so that nothing is made through one.
        for entry in made:
            if isinstance(entry, Symlink):
                os.symlink(entry.target, target / entry.path.lstrip("/"))
        return Tree.of(made)

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._bytes_left -= member.size + tarfile.BLOCKSIZE
        if self._bytes_left < 0 or len(self._entries) > _MOST_ENTRIES:
            raise BuildError(
                f"the image is too large: it would unpack to more than {self._most_bytes / (1 << 30):.3g} GiB "
                f"or {_MOST_ENTRIES:,} files"
            )
        raw = _normal(member.name)
        if raw == "/":
            return
        path = self._resolved(raw)
        folder, name = posixpath.split(path)
        if name.startswith(_WHITEOUT):
            self._take_away(folder, name)
            return
        owner = {"uid": _number(raw, member.uid), "gid": _number(raw, member.gid)}
        mode = member.mode & 0o7777
        if member.isdir():
            self._add(Directory(path, mode, **owner))
        elif member.issym():
            self._add(Symlink(path, _link_target(raw, member.linkname), **owner))
        elif member.isreg():
            self._count += 1
            content = self._contents / str(self._count)
            with content.open("xb") as target:
                shutil.copyfileobj(cast("BinaryIO", tar.extractfile(member)), target, _CHUNK_BYTES)
            self._add(File(path, content, mode, **owner))
        elif member.islnk():
            first = self._entries.get(self._resolved(_normal(member.linkname)))
            if not isinstance(first, File | Symlink):
                raise BuildError(f"the image has {raw}, a hard link to {member.linkname!r}, which is no file of it")
            if first.path != path:
                self._add(replace(first, path=path))
        elif not (member.isdev() and raw.startswith("/dev/")):  # the guest has its own there
            what = "a pipe" if member.isfifo() else "a device node" if member.isdev() else f"of type {member.type!r}"
            raise BuildError(
                f"the image has {raw}, which is {what}: only files, folders and links can be taken",
                hint="device nodes and pipes below /dev are left out; others must be removed from the image",
            )

    def _take_away(self, folder: str, name: str) -> None:
        """Do as a whiteout says: it goes for the layers below, whatever its own layer has."""
        if name == _OPAQUE:
            for inside in tuple(self._inside.get(folder, ())):
                self._remove(inside, keep=self._own)
        elif not name.startswith(_RESERVED):  # other notes of aufs
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in {"", ".", ".."}:
                raise BuildError(f"the image has {posixpath.join(folder, name)}, a whiteout of nothing")
            self._remove(posixpath.join(folder, hidden), keep=self._own)

    def _add(self, entry: Entry) -> None:
        before = self._entries.get(entry.path)
        if before is not None and not (isinstance(before, Directory) and isinstance(entry, Directory)):
            self._remove(entry.path)
        self._put(entry)
        for above in map(str, PurePosixPath(entry.path).parents):
            if above == "/" or above in self._own:
                break
            if above not in self._entries:
                self._put(Directory(above))
            self._own.add(above)

    def _put(self, entry: Entry) -> None:
        self._entries[entry.path] = entry
        self._inside.setdefault(posixpath.dirname(entry.path), set()).add(entry.path)
        self._own.add(entry.path)

    def _remove(self, path: str, keep: Collection[str] = ()) -> None:
        found, todo = [], [path]
        while todo:
            found.append(todo.pop())
            todo.extend(self._inside.get(found[-1], ()))
        for one in reversed(found):  # a folder comes after what is in it
            if one in self._entries and one not in keep:
                del self._entries[one]
                self._inside.pop(one, None)
                self._inside[posixpath.dirname(one)].discard(one)
                self._own.discard(one)

    def _resolved(self, path: str) -> str:
        """Where a path really is: the links on the way to it are followed inside the image, as a container would."""
        above, name = posixpath.split(path)
        at: list[str] = []
        todo, followed = _parts(above), 0
        while todo:
            part = todo.pop()
            if part == "..":
                if not at:
                    raise BuildError(f"the image has {path}, below a link that leads out of the image")
                at.pop()
                continue
            entry = self._entries.get("/" + "/".join((*at, part)))
            if isinstance(entry, Symlink):
                followed += 1
                if followed > _MOST_LINKS:
                    raise BuildError(f"the image has {path}, below a link that leads to itself")
                at = [] if entry.target.startswith("/") else at
                todo += _parts(entry.target)
            elif entry is None or isinstance(entry, Directory):
                at.append(part)
            else:
                raise BuildError(f"the image has {path}, but {entry.path} is no folder")
        return "/" + "/".join((*at, name))


class _Hashed:
    """A stream that is hashed while it is read. Some tools (umoci) don't fill the last block of a tarball: zeros do."""

    def __init__(self, stream: BinaryIO, algorithm: str) -> None:
        self._stream, self._hash = stream, hashlib.new(algorithm)
        self._count = self._filled = 0

    @property
    def digest(self) -> str:
        """Of what was read, as images write it."""
        return f"{self._hash.name}:{self._hash.hexdigest()}"

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        self._count += len(data)
        if data:
            return data
        missing = -(self._count + self._filled) % tarfile.BLOCKSIZE
        self._filled += missing
        return bytes(missing)

    def require(self, size_bytes: int) -> None:
        """See that so many bytes were there, not counting what was filled.

        :raise EOFError: there were fewer.
        """
        if size_bytes > self._count:
            raise EOFError("its last file is cut off")

    def read_rest(self) -> None:
        """What follows the last member: the padding."""
        while self.read(_CHUNK_BYTES):
            pass


@contextmanager
def _decompressed(file: BinaryIO, diff_id: str) -> Iterator[BinaryIO]:
    start = os.pread(file.fileno(), 8, 0)  # which leaves the file where the program begins to read
    other = next((what for magic, what in _OTHERS.items() if start.startswith(magic)), None)
    if other is not None:
        raise BuildError(
            f"the layer {diff_id} is compressed by {other}: an image's layers are plain, or by gzip or zstd"
        )
    program = next((program for magic, program in _DECOMPRESSORS.items() if start.startswith(magic)), None)
    if program is None:
        yield file
        return
    command = [str(require_tool(program)), "--decompress", "--stdout", "--quiet"]
    with subprocess.Popen(
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
    ) as process:
        try:
            yield cast("BinaryIO", process.stdout)
        finally:
            process.kill()  # it may have more to say than anyone reads


def _normal(name: str) -> str:
    """A member's name as a path of the image, to whose top absolute names are relative, too.

    :raise BuildError: it can't be one.
    """
    problem = name_problem(name)
    if problem is None and ".." in name.split("/"):
        problem = f"the name {name!r} has '..' in it"
    path = posixpath.normpath(f"/{name.lstrip('/')}")
    if problem is None:
        parts = path.encode().split(b"/")
        if (
            len(path.encode()) > _MOST_PATH_BYTES
            or len(parts) > _MOST_FOLDERS
            or max(map(len, parts)) > _MOST_NAME_BYTES
        ):
            problem = f"the name {name[:60]!r}… is too long"
    if problem is not None:
        raise BuildError(f"the image can't be unpacked: {problem}")
    return path


def _link_target(path: str, target: str) -> str:
    problem = name_problem(target)
    if problem is None and not 0 < len(target.encode()) <= _MOST_PATH_BYTES:
        problem = "its target is empty or too long"
    if problem is not None:
        raise BuildError(f"the image has the link {path}: {problem}")
    return target


def _number(path: str, number: int) -> int:
    if not 0 <= number <= _LAST_ID:
        raise BuildError(f"the image has {path}, which belongs to {number}: no user or group has that number")
    return number


def _parts(path: str) -> list[str]:
    """The names of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]
