# SPDX-License-Identifier: GPL-2.0-only
"""What a tarball from anywhere would unpack, looked at before anything of it is written.

:func:`unilinux.fetch.unpack.unpack` does the unpacking: tar refuses some of this, too, but drops the first ``/`` of
absolute names, makes device nodes and says little. Python's own filters for tarfile are younger than 3.11.
"""

from __future__ import annotations

import posixpath
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, cast

from unilinux.core.command import clean_environment, require_tool
from unilinux.core.errors import DownloadError

MOST_BYTES = 8 << 30
"""How much a tarball may hold, unpacked, holes included: far more than a kernel's source, and no disk full."""

_MOST_MEMBERS = 1_000_000
_DECOMPRESSORS: Mapping[bytes, str] = MappingProxyType(
    {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
)
_OTHERS: Mapping[bytes, str] = MappingProxyType(
    {
        b"PK": "a zip archive",
        b"7z\xbc\xaf": "a 7z archive",
        b"\x1f\x9d": "compressed by compress",
        b"LZIP": "an lzip file",
    }
)
_FORMATS = "a source is a tar file, plain or compressed by gzip, bzip2, xz or zstd"


def require_harmless(archive: Path, *, most_bytes: int = MOST_BYTES) -> None:
    """See that a tarball can be unpacked, and holds only files, folders and links that stay within it.

    :raise DownloadError: it is no tarball, damaged, cut off, empty or too large, or has a member that is refused.
    :raise HostError: the program that decompresses it isn't installed.
    """
    count = size_bytes = 0
    for member in _members(archive):
        count += 1
        size_bytes += member.size
        problem = _problem(member)
        if problem is not None:
            raise DownloadError(
                f"{archive} has a member that a source can't have: {problem}",
                hint="only files, folders, and links that stay within the archive, are unpacked",
            )
        if size_bytes > most_bytes or count > _MOST_MEMBERS:
            raise DownloadError(
                f"{archive} is too large: it would unpack to more than {most_bytes / (1 << 30):.3g} GiB "
                f"or {_MOST_MEMBERS:,} files"
            )
    if count == 0:
        raise DownloadError(f"{archive} is empty: there is nothing to unpack")


def name_problem(name: str) -> str | None:
    """What is wrong with a file's name, wherever it leads: an image's lists and records are lines of UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"the name {name!r} is not UTF-8"
    if any(char < " " or char == "\x7f" for char in name):
        return f"the name {name!r} has a line break or another control character"
    return None


def _problem(member: tarfile.TarInfo) -> str | None:
    found = name_problem(member.name) or _place_problem("the name", member.name)
    if found is not None:
        return found
    if member.issym() or member.islnk():
        target = member.linkname
        # A symbolic link is relative to where it lies, a hard link to the top.
        place = target if member.islnk() else posixpath.join(posixpath.dirname(member.name), target)
        bad = name_problem(target)
        if bad is None and (target.startswith("/") or posixpath.normpath(place).split("/")[0] == ".."):
            bad = "which is outside"
        return bad and f"{member.name!r} is a {'hard ' if member.islnk() else ''}link to {target!r}: {bad}"
    if member.isreg() or member.isdir():
        return None
    if member.isdev():
        return f"{member.name!r} is a {'pipe' if member.isfifo() else 'device node'}"
    return f"{member.name!r} is of the unknown type {member.type!r}"


def _place_problem(what: str, name: str) -> str | None:
    if name.startswith("/"):
        return f"{what} {name!r} is absolute"
    return f"{what} {name!r} has '..' in it" if ".." in name.split("/") else None


def _members(archive: Path) -> Iterator[tarfile.TarInfo]:
    """Each member's head, without reading the archive into memory."""
    with archive.open("rb") as file:
        start = file.read(8)
    if not start:
        raise DownloadError(f"{archive} has no bytes", hint=_FORMATS)
    other = next((what for magic, what in _OTHERS.items() if start.startswith(magic)), None)
    if other is not None:
        raise DownloadError(f"{archive} is {other}", hint=_FORMATS)
    program = next((program for magic, program in _DECOMPRESSORS.items() if start.startswith(magic)), None)
    count = 0
    try:
        with (
            _decompressed(archive, program) as stream,
            tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar,
        ):
            for member in tar:
                count += 1
                yield member
                tar.members = []  # type: ignore[attr-defined] # else it keeps them all
    except (tarfile.TarError, EOFError) as error:
        known = program is not None or count > 0
        what = "is damaged, cut off, or no tar file inside" if known else "is no tar file"
        raise DownloadError(
            f"{archive} {what}", details=(str(error),), hint="get it once more" if known else _FORMATS
        ) from error


@contextmanager
def _decompressed(archive: Path, program: str | None) -> Iterator[BinaryIO]:
    if program is None:
        with archive.open("rb") as file:
            yield file
        return
    command = [str(require_tool(program)), "--decompress", "--stdout", "--quiet"]
    with (
        archive.open("rb") as file,
        subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
        ) as process,
    ):
        try:
            yield cast("BinaryIO", process.stdout)
        finally:
            process.kill()  # it may have more to say than anyone reads
