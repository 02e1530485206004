# SPDX-License-Identifier: GPL-2.0-only
"""A folder anywhere on this host."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from unilinux.core.document import Field
from unilinux.core.errors import BuildError
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.hostfiles import copy, modes_of, require_portable, tree_of
from unilinux.sources.source import Materials, Source


class FolderSource(Source):
    """A folder anywhere on this host, such as a checkout: a copy of what is in it becomes the build folder."""

    kind: Literal["folder"] = Field(description="this kind of source", examples=["folder"])
    path: str = Field(
        min_length=1, description="the folder, absolute or relative to that of `app.toml`", examples=["../../../server"]
    )
    exclude: tuple[str, ...] = Field(
        default=(".git",),
        description="what right in the folder isn't taken: names, with `*` and `?` as in a shell",
        examples=[[".git", "build", "*.log"]],
    )

    @property
    def beside(self) -> tuple[str, ...]:
        """See :class:`unilinux.sources.source.Source`."""
        return (self.path,)

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`.

        :raise BuildError: it is no folder, nothing in it is taken, or something in it can't be a source.
        """
        del fetcher  # it is here
        origin = (folder / self.path).resolve()
        if not origin.is_dir():
            raise BuildError(f"the source {origin} is no folder", hint='for a tarball: kind = "archive"')
        taken = sorted(entry.name for entry in origin.iterdir() if not self._is_excluded(entry.name))
        if not taken:
            raise BuildError(f"the source {origin} has nothing to take", hint="see source.exclude in app.toml")
        require_portable(origin, taken)

        def lay_out(target: Path) -> Tree:
            around = next((name for name in taken if target.resolve().is_relative_to(origin / name)), None)
            if around is not None:
                raise BuildError(
                    f"the source {origin} holds the cache that it would be copied to, in {around}",
                    hint=f"add {around!r} to source.exclude in app.toml, or set UNILINUX_CACHE to another folder",
                )
            target.mkdir(parents=True, exist_ok=True)
            for name in taken:
                copy(origin / name, target / name)
            return tree_of(target)

        # By name: a new file is a new input, and what is excluded is none.
        spec = {"modes": modes_of(origin, taken)}
        files = {f"folder:{name}": origin / name for name in taken}
        return Materials(lay_out=lay_out, spec=spec, files=files, facts={"kind": self.kind, "path": self.path})

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.exclude)
