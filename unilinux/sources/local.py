# SPDX-License-Identifier: GPL-2.0-only
"""Files that lie beside ``app.toml``: a source of its own, and a part of others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from unilinux.core.document import Field, Model, field_validator
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.hostfiles import copy, modes_of, tree_of
from unilinux.sources.source import Materials, Source, inside


class BesideFiles(Model):
    """The key ``files``, for kinds of source that take some from beside ``app.toml``."""

    files: tuple[str, ...] = Field(
        default=(),
        description="files and folders beside `app.toml`, copied under the same names",
        examples=[["compat/queue.h"]],
    )

    @field_validator("files")
    @classmethod
    def _files_inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(inside(file) for file in files)

    @property
    def beside(self) -> tuple[str, ...]:
        """See :class:`unilinux.sources.source.Source`."""
        return self.files

    def origins(self, folder: Path) -> dict[str, Path]:
        """These files as inputs of a build step."""
        return {f"local:{name}": folder / name for name in self.files}

    def modes(self, folder: Path) -> dict[str, dict[str, str]]:
        """What their digests don't say, for the specification of that step."""
        found = modes_of(folder, self.files)
        return {"modes": found} if found else {}

    def copy_to(self, target: Path, folder: Path) -> None:
        """Copy them from the application's folder."""
        for name in self.files:
            copy(folder / name, target / name)


class LocalSource(BesideFiles, Source):
    """Files beside ``app.toml``, and nothing else."""

    kind: Literal["local"] = Field(description="this kind of source", examples=["local"])
    files: tuple[str, ...] = Field(
        min_length=1,
        description="files and folders beside `app.toml`, copied under the same names",
        examples=[["server.c"]],
    )

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`."""
        del fetcher  # they are here

        def lay_out(target: Path) -> Tree:
            self.copy_to(target, folder)
            return tree_of(target)

        return Materials(
            lay_out=lay_out, spec=self.modes(folder), files=self.origins(folder), facts={"kind": self.kind}
        )
