# SPDX-License-Identifier: GPL-2.0-only
"""Stock kernels: out of real .deb files, made here, by a fetcher that is told what it offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.recorder import Recorder
from unilinux.core.command import run
from unilinux.core.errors import DownloadError, ManifestError, UsageError
from unilinux.core.events import NullSink, Progress
from unilinux.core.files import digest_file
from unilinux.core.localstore import LocalStore
from unilinux.fetch.fetcher import Fetched
from unilinux.kernel.stock import PinnedPackage, StockKernel, find_stock_kernel, stock_kernel

PROJECT = Path(__file__).parents[3]
PINNED = PinnedPackage(
    name="debian-cloud",
    summary="Debian's",
    package="linux-image-6.12.1+deb12-cloud-amd64",
    version="6.12.1-1",
    sha256="0" * 64,
    newest="linux-image-cloud-amd64",
)
NEWER = "linux-image-6.12.2+deb12-cloud-amd64"


@dataclass
class Offers:
    """A fetcher that has these packages, whatever version is asked for."""

    packages: dict[str, Path]

    def debian_package(self, package: str, version: str | None, sha256: str | None = None) -> Fetched:
        if package not in self.packages:
            raise DownloadError(f"this host's package sources don't have {package}")
        path = self.packages[package]
        return Fetched(path, version or "6.12.2-1", digest_file(path))


def deb(folder: Path, name: str, files: dict[str, str], depends: str = "") -> Path:
    root = folder / name
    (root / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\nDescription: d\n"
    (root / "DEBIAN/control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    target = folder / f"{name}.deb"
    run(["dpkg-deb", "--build", "--root-owner-group", root, target])
    return target


KERNEL = {
    "boot/vmlinuz-6.12": "a kernel",
    "boot/config-6.12": "CONFIG_SMP=y\n",
    "boot/System.map-6.12": "ffffffffffffffff B The real System.map is elsewhere\n",
}


def take(folder: Path, packages: dict[str, Path], recorder: Recorder | None = None) -> StockKernel:
    progress = Progress(recorder or NullSink())
    store = LocalStore(folder / "store", logs=folder / "logs", progress=progress)
    return stock_kernel(PINNED, fetcher=cast(Any, Offers(packages)), store=store, progress=progress)


def test_a_package_is_unpacked_to_its_kernel_and_its_configuration(tmp_path: Path) -> None:
    found = take(tmp_path, {PINNED.package: deb(tmp_path, "one", KERNEL)})
    assert found.package == PINNED.package
    assert found.bzimage.read_text() == "a kernel"
    assert found.config.read_text() == "CONFIG_SMP=y\n"


def test_a_withdrawn_package_is_replaced_by_the_newest_of_its_kind_and_that_is_said(tmp_path: Path) -> None:
    packages = {
        PINNED.newest: deb(tmp_path, "meta", {}, depends=f"{NEWER} (= 6.12.2-1)"),
        NEWER: deb(tmp_path, "newer", KERNEL),
    }
    recorder = Recorder()
    found = take(tmp_path, packages, recorder)
    assert (found.package, found.version) == (NEWER, "6.12.2-1")
    (note,) = recorder.notes
    assert note == f"{PINNED.package} 6.12.1-1 could not be had; {NEWER} 6.12.2-1 is used instead"


def test_when_nothing_is_offered_the_error_is_about_the_pinned_one(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"don't have linux-image-6\.12\.1"):
        take(tmp_path, {})


def test_a_package_that_holds_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"has 0 files like boot/vmlinuz-\* instead of one"):
        take(tmp_path, {PINNED.package: deb(tmp_path, "one", {"boot/config-6.12": ""})})


def test_the_projects_own_list_has_debians_cloud_kernel() -> None:
    found = find_stock_kernel(PROJECT, "debian-cloud")
    assert found.package.endswith("-cloud-amd64")


def test_an_unknown_stock_kernel(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no stock kernel 'debian-cluod'; did you mean 'debian-cloud'?"):
        find_stock_kernel(PROJECT, "debian-cluod")
    with pytest.raises(ManifestError, match="cannot read"):
        find_stock_kernel(tmp_path, "debian-cloud")
