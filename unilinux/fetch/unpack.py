# SPDX-License-Identifier: GPL-2.0-only
"""Archives unpacked whole or not at all, and only into the folder meant for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType

from unilinux.core.command import require_tool, run
from unilinux.core.errors import CommandError, DownloadError
from unilinux.core.files import explained_disk_errors, remove_tree

_DECOMPRESSORS: Mapping[str, str] = MappingProxyType({".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"})


def unpack(archive: Path, target: Path, *, log: Path | None = None, hint: str | None = None) -> None:
    """Unpack a ``tar.*`` archive to ``target``, which must not exist or be empty.

    If everything lies in one top folder, as in most source archives, that folder
    becomes ``target``. GNU tar does the work: it takes 10 s for a kernel's 86,000
    files, a third of what Python's tarfile needs, it refuses members that climb out
    by ``..``, and it sets a link that leads out only after all files are written.
    ``hint`` says what to do about a damaged one, if not to remove it, so that it is fetched again.

    :raise DownloadError: the archive is damaged or not one. Nothing is left behind.
    :raise HostError: the program that tar calls for this kind of archive isn't installed.
    """
    if archive.suffix in _DECOMPRESSORS:
        require_tool(_DECOMPRESSORS[archive.suffix])
    with explained_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            argv = ["tar", "--extract", "--no-same-owner", "--no-same-permissions"]
            try:
                run([*argv, "--file", archive, "--directory", beside], log=log)
            except CommandError as error:
                raise _damaged(archive, error, hint) from error
            inside = list(beside.iterdir())
            whole = inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else beside
            whole.chmod(0o755)
            os.replace(whole, target)  # onto an empty folder this works, onto a filled one it must not
        finally:
            remove_tree(beside)


def unpack_package(package: Path, target: Path, *, log: Path | None = None) -> None:
    """Unpack the files of a ``.deb`` to ``target``.

    :raise DownloadError: the package is damaged.
    """
    try:
        run(["dpkg-deb", "--extract", package, target], log=log)
    except CommandError as error:
        raise _damaged(package, error) from error


def _damaged(file: Path, error: CommandError, hint: str | None = None) -> DownloadError:
    again = f"it may be damaged: rm {file}   and run the same command again"
    return DownloadError(f"cannot unpack {file}", details=error.tail, hint=hint or again)
