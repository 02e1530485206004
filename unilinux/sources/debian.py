# SPDX-License-Identifier: GPL-2.0-only
"""Upstream tarballs out of Debian's source packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from unilinux.core.document import Field, Model
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher, require_intact
from unilinux.fetch.unpack import unpack
from unilinux.sources.hostfiles import tree_of
from unilinux.sources.local import BesideFiles
from unilinux.sources.source import Materials, Source

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Tarball(Model):
    """An upstream tarball out of a Debian source package."""

    package: str = Field(description="the name of Debian's source package", examples=["nginx"])
    file: str = Field(description="one of the files of that package", examples=["nginx_1.22.1.orig.tar.gz"])
    sha256: Sha256 = Field(
        description="the SHA-256 of that file, in hexadecimal",
        examples=["9ebb333a9e82b952acd3e2b4aeb1d4ff6406f72491bab6cd9fe69f0dea737f31"],
    )


class ExtraTarball(Tarball):
    """A further tarball, unpacked to ``./name`` inside the build folder."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] = Field(
        description="the folder that it is unpacked to, inside the source", examples=["zlib"]
    )


class DebianSource(Tarball, BesideFiles, Source):
    """A Debian source package: its tarball becomes the build folder."""

    kind: Literal["debian"] = Field(description="this kind of source", examples=["debian"])
    extra: tuple[ExtraTarball, ...] = Field(default=(), description="further tarballs")

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`."""
        tarballs = (self, *self.extra)
        fetched = {one.file: fetcher.debian_source_file(one.package, one.file, one.sha256) for one in tarballs}

        def lay_out(target: Path) -> Tree:
            for tarball in tarballs:
                require_intact(fetched[tarball.file], tarball.sha256)
            unpack(fetched[self.file], target)
            for tarball in self.extra:
                unpack(fetched[tarball.file], target / tarball.name)
            self.copy_to(target, folder)
            return tree_of(target)

        return Materials(
            lay_out=lay_out,
            spec={
                "main": self.file,
                "extra": {tarball.name: tarball.file for tarball in self.extra},
                **self.modes(folder),
            },
            inputs={f"tarball:{tarball.file}": tarball.sha256 for tarball in tarballs},
            files=self.origins(folder),
            facts={"kind": self.kind, "package": self.package, "file": self.file, "sha256": self.sha256},
        )
