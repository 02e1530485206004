# SPDX-License-Identifier: GPL-2.0-only
"""What every kind of source has: its table in a manifest, what it consists of, and how it is laid out as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from unilinux.core.document import Model
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Materials:
    """A source that was fetched, but not laid out yet.

    ``spec`` is plain data, ``inputs`` are digests and ``files`` the files of this host that decide what
    is laid out, both by their roles. ``facts`` tell people what it is; they get into ``image.json``.
    ``lay_out`` fills an empty folder and returns the tree that it holds: contents are files of the
    folder, while owners and modes are as the image shall have them, whoever runs the build.
    It raises DownloadError for an archive that is damaged, BuildError for what can't be in a tree.
    """

    lay_out: Callable[[Path], Tree]
    spec: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Source(Model):
    """The ``[source]`` table. Each kind has ``kind: Literal["its name"]``, its keys, and these methods."""

    @property
    def beside(self) -> tuple[str, ...]:
        """The files and folders that it takes from beside ``app.toml``."""
        return ()

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """Fetch what is needed.

        :param folder: the one in which ``app.toml`` lies.
        :raise DownloadError: something can't be had, or has another content than was promised.
        """
        raise NotImplementedError


def inside(path: str) -> str:
    """A path that stays in the folder it is relative to.

    :raise ValueError: it is absolute, empty, or has ``..`` in it.
    """
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"{path!r} must be a relative path without '..'")
    return path
