# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's source: which one, unpacked once, with its patch series applied."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from unilinux.core.document import Field, Model, read_document
from unilinux.core.errors import DownloadError, HostError, UsageError
from unilinux.core.files import digest_bytes, digest_file
from unilinux.core.hosttools import UNPACKER
from unilinux.core.layout import Layout
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.suggest import unknown
from unilinux.fetch.fetcher import Fetcher, require_intact
from unilinux.fetch.unpack import unpack, unpack_package
from unilinux.kernel.series import Series, apply_series, load_series

KERNELS = Path("configs/kernels.toml")  # below the project's folder
_TREE = "linux"
_ORIGINALS = "originals"


class PinnedKernel(Model):
    """A kernel as ``configs/kernels.toml`` describes it: a Debian package that holds the source."""

    name: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    package: str
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Kernels(Model):
    """The kernels that can be chosen by name."""

    schema_version: Literal[1] = Field(alias="schema")
    default: str
    kernel: tuple[PinnedKernel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpec:
    """Which source to take, and the folder of the patch series for it.

    Exactly one of ``pinned`` and ``path`` (a tarball or folder of the user's) is given.
    """

    name: str
    series: Path
    pinned: PinnedKernel | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTree:
    """An unpacked, patched source tree in the store."""

    output: Output
    series: Series
    origin: str
    """The package and version, or the path, that it was unpacked from."""
    origin_sha256: str
    release: str
    """Such as ``6.12.117``, from the tree's Makefile."""

    @property
    def path(self) -> Path:
        """The tree itself."""
        return self.output.path / _TREE

    @property
    def originals(self) -> Path:
        """The files that the series changes, as they were before."""
        return self.output.path / _ORIGINALS


def find_kernel(layout: Layout, name: str | None = None, *, with_series: bool = True) -> KernelSpec:
    """The kernel of that name; None is the default. A path to a tarball or folder works, too.

    :param with_series: whether it must have a patch series already.

    :raise ManifestError: ``configs/kernels.toml`` is malformed.
    :raise UsageError: there is no such kernel, or no patch series for it.
    """
    kernels = read_document(layout.project / KERNELS, Kernels)
    known = {kernel.name: kernel for kernel in kernels.kernel}
    wanted = name or kernels.default
    if wanted in known:
        folder = layout.project / "patches" / f"linux-{wanted}"
        if with_series and not folder.is_dir():
            raise UsageError(f"there is no patch series for Linux {wanted}: {folder} is missing", hint=_PORT)
        return KernelSpec(name=wanted, series=folder, pinned=known[wanted])
    path = Path(wanted)
    if not path.exists():
        raise UsageError(unknown("kernel", wanted, known), hint="name one of these, or a tarball or folder of Linux")
    return _own_kernel(layout, path.resolve())


_PORT = "./x patches.port makes one from the series of another kernel"


def _own_kernel(layout: Layout, path: Path) -> KernelSpec:
    if path.is_dir():
        version = ".".join(linux_release(path).split(".")[:2])
    else:
        found = re.search(r"linux-(?:source-)?(\d+\.\d+)", path.name)
        if not found or not re.search(r"\.tar(\.\w+)?$", path.name):
            raise UsageError(f"{path} is not named like a source archive of Linux, such as linux-6.12.30.tar.xz")
        version = found[1]
    folder = layout.project / "patches" / f"linux-{version}"
    if not folder.is_dir():
        raise UsageError(f"there is no patch series for Linux {version}: {folder} is missing", hint=_PORT)
    return KernelSpec(name=str(path), series=folder, path=path)


def kernel_tree(spec: KernelSpec, *, fetcher: Fetcher, store: Store) -> KernelTree:
    """The patched source tree: fetched, unpacked and patched unless the store has it.

    One tree (1.4 GB) per source and series; a change in the series unpacks anew,
    which takes some 15 s.

    :raise DownloadError: the source could not be had.
    :raise PatchError: the series is faulty or doesn't apply.
    """
    series = load_series(spec.series)
    if spec.pinned:
        fetched = fetcher.debian_package(spec.pinned.package, spec.pinned.version, spec.pinned.sha256)
        path, sha256, origin = fetched.path, fetched.sha256, f"{spec.pinned.package} {fetched.version}"
    else:
        assert spec.path is not None
        path, origin = spec.path, str(spec.path)
        sha256 = _fingerprint(path) if path.is_dir() else digest_file(path)
    step = Step(
        name="kernel-tree",
        label=f"Linux source with {len(series.patches)} patches",
        spec={},
        inputs={"source": sha256, "series": series.digest},
        tools=(*UNPACKER, "git"),
        by_key=True,
    )
    output = store.run(step, lambda space: _make_tree(space, path, sha256, series, is_own=spec.pinned is None))
    release = linux_release(output.path / _TREE)
    return KernelTree(output=output, series=series, origin=origin, origin_sha256=sha256, release=release)


def unpack_source(path: Path, target: Path, *, scratch: Path, log: Path | None) -> None:
    """Unpack a kernel's source, from a Debian package, a tarball or a folder, to ``target``.

    :raise DownloadError: it is damaged, or the package holds no source.
    """
    if path.is_dir():
        shutil.copytree(path, target, symlinks=True, ignore=shutil.ignore_patterns(".git"), dirs_exist_ok=True)
        return
    if path.suffix == ".deb":
        unpack_package(path, scratch / "package", log=log)
        inside = sorted((scratch / "package/usr/src").glob("linux-source-*.tar.*"))
        if len(inside) != 1:
            raise DownloadError(f"{path} has no linux-source-*.tar.* in /usr/src")
        path = inside[0]
    unpack(path, target, log=log)


def _make_tree(space: Workspace, path: Path, sha256: str, series: Series, *, is_own: bool) -> None:
    tree = space.out / _TREE
    space.step.detail("unpacking")
    if not is_own:
        require_intact(path, sha256)
    unpack_source(path, tree, scratch=space.scratch, log=space.log)
    if is_own and (_fingerprint(path) if path.is_dir() else digest_file(path)) != sha256:
        raise HostError(
            f"{path} was changed while it was being copied; nothing of it was kept", hint="run the same command again"
        )
    release = linux_release(tree)
    for file in series.files:
        if (tree / file).exists():
            kept = space.out / _ORIGINALS / file
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / file, kept)
    space.step.detail(f"applying {series.name} to Linux {release}")
    apply_series(series, tree, release=release, log=space.log)


def linux_release(tree: Path) -> str:
    """The release that the tree's Makefile states, such as ``6.12.117``.

    :raise UsageError: it is no Linux tree.
    """
    try:
        head = (tree / "Makefile").read_text()[:2000]
    except OSError as error:
        raise UsageError(f"{tree} is no Linux source tree: it has no Makefile") from error
    values: Mapping[str, str] = dict(
        re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=[ \t]*(.*)$", head, re.MULTILINE)
    )
    if not {"VERSION", "PATCHLEVEL"} <= values.keys():
        raise UsageError(f"{tree} is no Linux source tree: its Makefile states no version")
    numbers = [values[key] for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if values.get(key)]
    return ".".join(numbers) + values.get("EXTRAVERSION", "")


def _fingerprint(folder: Path) -> str:
    """Stands for a folder's content by names, sizes and times: 86,000 files are too many to read each time."""
    lines = []
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            status = os.lstat(os.path.join(path, name))
            times = f"{status.st_mtime_ns} {status.st_ctime_ns}"  # the latter can't be set by a program
            lines.append(f"{path}/{name} {status.st_size} {times} {status.st_mode}")
    return digest_bytes("\n".join(lines).encode(errors="surrogateescape"))
