# SPDX-License-Identifier: GPL-2.0-only
"""Kernels as a distribution ships them: a bzImage out of a binary package, to be measured beside ours."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from unilinux.core.command import run
from unilinux.core.document import Field, Model, read_document
from unilinux.core.errors import DownloadError, UsageError
from unilinux.core.events import Progress
from unilinux.core.hosttools import UNPACKER
from unilinux.core.store import Step, Store, Workspace
from unilinux.core.suggest import unknown
from unilinux.fetch.fetcher import Fetched, Fetcher, require_intact
from unilinux.fetch.unpack import unpack_package

STOCK_KERNELS = Path("configs/stock-kernels.toml")  # below the project's folder


class PinnedPackage(Model):
    """A kernel as ``configs/stock-kernels.toml`` describes it.

    ``newest`` is the package that depends on the newest of its kind: where to look when
    the pinned one is offered no more.
    """

    name: str
    summary: str
    package: str
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    newest: str


class StockKernels(Model):
    """The kernels that ``--against`` knows."""

    schema_version: Literal[1] = Field(alias="schema")
    stock: tuple[PinnedPackage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockKernel:
    """An unpacked package: its compressed kernel and its configuration."""

    name: str
    package: str
    version: str
    bzimage: Path
    config: Path


def find_stock_kernel(project: Path, name: str) -> PinnedPackage:
    """The kernel of that name.

    :raise ManifestError: the list is malformed.
    :raise UsageError: there is no such kernel.
    """
    known = {each.name: each for each in read_document(project / STOCK_KERNELS, StockKernels).stock}
    if name not in known:
        raise UsageError(unknown("stock kernel", name, known), hint=f"they are listed in {STOCK_KERNELS}")
    return known[name]


def stock_kernel(pinned: PinnedPackage, *, fetcher: Fetcher, store: Store, progress: Progress) -> StockKernel:
    """Fetch and unpack it; the newest one of its kind, with a note, when the pinned one is offered no more.

    :raise DownloadError: neither is offered, or it could not be fetched whole.
    """
    package, fetched = _fetch(pinned, fetcher, progress)
    step = Step(
        name="stock-kernel",
        label=f"unpacking {package}",
        spec={"package": package, "version": fetched.version},
        inputs={"package": fetched.sha256},
        tools=UNPACKER,
    )
    output = store.run(step, lambda space: _unpack(space, fetched))
    return StockKernel(
        name=pinned.name,
        package=package,
        version=fetched.version,
        bzimage=output.path / "bzImage",
        config=output.path / "config",
    )


def _fetch(pinned: PinnedPackage, fetcher: Fetcher, progress: Progress) -> tuple[str, Fetched]:
    try:
        return pinned.package, fetcher.debian_package(pinned.package, pinned.version, pinned.sha256)
    except DownloadError as error:
        try:
            newest = _dependency(fetcher.debian_package(pinned.newest, None).path)
            fetched = fetcher.debian_package(newest, None)
        except DownloadError:
            raise error from None
    progress.note(f"{pinned.package} {pinned.version} could not be had; {newest} {fetched.version} is used instead")
    return newest, fetched


def _dependency(package: Path) -> str:
    """The kernel that a metapackage depends on."""
    depends = run(["dpkg-deb", "--field", package, "Depends"]).output
    found = re.match(r"\s*(linux-image-[\w.+~-]+)", depends)
    if found is None:
        raise DownloadError(f"{package.name} depends on no kernel: {depends.strip()!r}")
    return found[1]


def _unpack(space: Workspace, fetched: Fetched) -> None:
    package = fetched.path
    require_intact(package, fetched.sha256)
    unpack_package(package, space.scratch / "files", log=space.log)
    boot = space.scratch / "files/boot"
    for pattern, name in (("vmlinuz-*", "bzImage"), ("config-*", "config")):
        found = sorted(boot.glob(pattern))
        if len(found) != 1:
            raise DownloadError(f"{package.name} has {len(found)} files like boot/{pattern} instead of one")
        shutil.copyfile(found[0], space.out / name)
