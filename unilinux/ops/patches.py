# SPDX-License-Identifier: GPL-2.0-only
"""Working on a patch series: as commits in a git work tree, never by editing patches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.kernel.patches import Patches
from unilinux.kernel.series import Series
from unilinux.kernel.source import find_kernel
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """A git work tree with one commit for each patch of a kernel's series."""

    kernel: str
    folder: Path

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"kernel": self.kernel, "folder": str(self.folder)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesListing:
    """A series: its name and the file names of its patches, in order."""

    name: str
    patches: tuple[str, ...]

    @classmethod
    def of(cls, series: Series) -> SeriesListing:
        """What there is to say of a series."""
        return cls(name=series.name, patches=tuple(patch.name for patch in series.patches))

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"series": self.name, "patches": list(self.patches)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesChecked:
    """A series that is in order."""

    kernel: str

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"kernel": self.kernel, "ok": True}


def checkout(here: Workshop, kernel: str, folder: Path) -> WorkTree:
    """A work tree with one commit for each patch. Here as in what follows, an empty ``kernel`` is the usual one.

    :raise PatchError: the series doesn't apply.
    """
    name = _named(here, kernel)
    there = _patches(here).checkout(name, _below_project(here, folder))
    return WorkTree(kernel=name, folder=there.path)


def export(here: Workshop, kernel: str, folder: Path) -> SeriesListing:
    """The work tree's commits as the series.

    :raise PatchError: the work tree isn't ready to be exported.
    """
    return SeriesListing.of(_patches(here).export(_named(here, kernel), _below_project(here, folder)))


def port(here: Workshop, source: str, target: str, folder: Path) -> SeriesListing:
    """One kernel's series on another kernel.

    :raise PatchError: a patch has to be adapted by hand; the hint says how to go on.
    """
    return SeriesListing.of(_patches(here).port(_named(here, source), target, _below_project(here, folder)))


def check(here: Workshop, kernel: str) -> SeriesChecked:
    """The gate for a series.

    :raise PatchError: what is wrong with it.
    """
    name = _named(here, kernel)
    _patches(here).check(name)
    return SeriesChecked(kernel=name)


def _named(here: Workshop, kernel: str) -> str:
    return kernel or find_kernel(here.layout).name


def _patches(here: Workshop) -> Patches:
    return Patches(layout=here.layout, fetcher=here.new_fetcher(), store=here.new_store(), progress=here.progress)


def _below_project(here: Workshop, folder: Path) -> Path:
    return folder if folder.is_absolute() else here.layout.project / folder
