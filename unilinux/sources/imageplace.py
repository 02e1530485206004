# SPDX-License-Identifier: GPL-2.0-only
"""The files of a container image as they lie on a disk: in a folder or a tarball."""

from __future__ import annotations

import hashlib
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from unilinux.core.errors import BuildError, DownloadError

AGAIN = "get the image once more"
"""The hint for what is damaged."""

_MOST_DOCUMENT_BYTES = 4 << 20  # what registries take, too
_CHUNK_BYTES = 1 << 20
# What Python says of a tarball, plain or compressed, that is cut off or damaged.
_DAMAGES = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by its file in the layout; ``digest`` and ``size_bytes`` are that file's, ``diff_id`` its tarball's."""

    file: str
    diff_id: str
    digest: str | None = None
    size_bytes: int | None = None


class Place:
    """The files of a layout by their names."""

    def __init__(self, path: Path, members: Mapping[str, tarfile.TarInfo], tar: tarfile.TarFile | None) -> None:
        self.path = path
        self._members, self._tar = members, tar

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._members if self._tar is not None else (self.path / name).is_file()

    def copy(self, layer: Layer, target: BinaryIO) -> None:
        """Copy a layer's file, and rewind the copy.

        :raise DownloadError: it is missing, or not as its digest and size promise.
        """
        with self._open(layer.file) as file:
            hashed = hashlib.new(layer.digest.split(":")[0] if layer.digest else "sha256")
            size_bytes = 0
            while chunk := self._read(file, _CHUNK_BYTES, layer.file):
                size_bytes += len(chunk)
                hashed.update(chunk)
                target.write(chunk)
        if layer.digest is not None:
            require_digest(self.path, layer.digest, layer.size_bytes, f"{hashed.name}:{hashed.hexdigest()}", size_bytes)
        target.seek(0)

    def read(self, name: str) -> bytes:
        """A document.

        :raise DownloadError: it is missing, or too large to be one.
        """
        with self._open(name) as file:
            found = self._read(file, _MOST_DOCUMENT_BYTES + 1, name)
        if len(found) > _MOST_DOCUMENT_BYTES:
            raise DownloadError(f"{self.path}: {name} is too large: it has more than 4 MiB")
        return found

    def _open(self, name: str) -> BinaryIO:
        """Open a file, which is one of the layout's own, whatever its documents say."""
        own = not name.startswith("/") and ".." not in name.split("/")
        try:
            if self._tar is None and own and self.has(name):
                return (self.path / name).open("rb")
            found = self._tar.extractfile(self._members[name]) if self._tar is not None and self.has(name) else None
        except (OSError, KeyError, RecursionError) as error:  # a link to nothing, or to itself
            raise self._lacking(name) from error
        if found is None:
            raise self._lacking(name)
        return cast("BinaryIO", found)

    def _lacking(self, name: str) -> DownloadError:
        return DownloadError(f"{self.path} lacks {name}, which its image needs", hint=AGAIN)

    def _read(self, file: BinaryIO, size: int, name: str) -> bytes:
        try:
            return file.read(size)
        except _DAMAGES as error:
            raise DownloadError(f"{self.path}: {name} is cut off", details=(str(error),), hint=AGAIN) from error


@contextmanager
def opened(path: Path) -> Iterator[Place]:
    """A layout: a folder, or a tarball, plain or compressed by gzip, bzip2 or xz.

    :raise BuildError: there is nothing, or no image.
    :raise DownloadError: the tarball is damaged.
    """
    if path.is_dir():
        yield Place(path, {}, None)
        return
    if not path.is_file():
        raise BuildError(f"the source {path} is no folder and no file", hint="an image is an OCI layout or a tarball")
    try:
        tar = tarfile.open(path, encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 # closed below
    except _DAMAGES as error:
        raise BuildError(
            f"the source {path} is no image: it is no tarball",
            hint="make one by: docker save NAME > image.tar, or: skopeo copy docker://NAME oci-archive:image.tar",
        ) from error
    with tar:
        try:
            members = {member.name.removeprefix("./"): member for member in tar}
        except _DAMAGES as error:
            raise DownloadError(f"{path} is damaged or cut off", details=(str(error),), hint=AGAIN) from error
        yield Place(path, members, tar)


def require_digest(path: Path, promised: str, size_bytes: int | None, found: str, found_bytes: int) -> None:
    """See that something is what was promised.

    :raise DownloadError: it has another size or digest.
    """
    if size_bytes not in {None, found_bytes}:
        raise DownloadError(f"{path}: {promised} has {found_bytes:,} bytes instead of {size_bytes:,}", hint=AGAIN)
    if promised != found:
        raise DownloadError(
            f"{path}: a part of its image has another content than its digest promises",
            details=(f"promised {promised}", f"found    {found}"),
            hint=AGAIN,
        )
