# SPDX-License-Identifier: GPL-2.0-only
"""What ``./x patches.checkout``, ``export``, ``port`` and ``check`` do, on the project's own folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unilinux.core.errors import UsageError
from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.core.store import Store
from unilinux.core.suggest import unknown
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel import worktree
from unilinux.kernel.checkpatch import TOLERATED, read_tolerated
from unilinux.kernel.series import Base, Series, load_series
from unilinux.kernel.source import find_kernel, kernel_tree, unpack_source
from unilinux.kernel.worktree import Worktree

_PREFIX = "linux-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """The kernel patch series of a checkout, below ``patches/``."""

    layout: Layout
    fetcher: Fetcher
    store: Store
    progress: Progress

    def names(self) -> tuple[str, ...]:
        """The kernels, such as ``6.12``, that have a series."""
        folders = (self.layout.project / "patches").glob(f"{_PREFIX}*/BASE")
        return tuple(sorted(path.parent.name.removeprefix(_PREFIX) for path in folders))

    def checkout(self, name: str, folder: Path) -> Worktree:
        """A git work tree, in ``folder``, with one commit for each patch. It takes 1.7 GB and about a minute.

        :raise UsageError: there is one already, or no such series.
        :raise DownloadError: the series' base could not be had.
        :raise PatchError: a patch doesn't apply to it.
        """
        series = self._series(name)
        there = self._worktree(folder)
        with self.progress.step("patches", f"checking out the series {series.name}") as step:
            there.must_be_new()
            with self._unpatched(series.base, there) as (source, base):
                step.detail("committing the base")
                worktree.checkout(series, source, there, base)
        return there

    def export(self, name: str, folder: Path) -> Series:
        """Write the commits of the work tree as the series.

        :raise UsageError: there is no work tree, it is another kernel's, or it has uncommitted changes.
        """
        there = self._worktree(folder)
        with self.progress.step("patches", f"exporting the series {_PREFIX}{name}"):
            kernel = find_kernel(self.layout, name, with_series=False)
            if kernel.pinned is not None and kernel.pinned.package != there.base.package:
                raise UsageError(
                    f"{there.path} is a work tree of {there.base.package}, not of {kernel.pinned.package}",
                    hint="./x patches.export --kernel NAME, with the kernel that the work tree was made for",
                )
            return worktree.export(there, self._folder(name))

    def port(self, name: str, onto: str, folder: Path) -> Series:
        """Put the series of one kernel on the source of another, or on a new version of the same.

        Where another kernel has a series already, that comes first, and gets what it lacks (by subject).

        :raise PatchError: a patch conflicts; the work tree is there to resolve it in.
        """
        series = self._series(name)
        kernel = find_kernel(self.layout, onto, with_series=False)
        there = self._worktree(folder)
        with self.progress.step("patches", f"porting the series {series.name} to Linux {onto}") as step:
            if kernel.pinned is None:
                raise UsageError(f"a series can only be ported to a kernel of configs/kernels.toml, not to {onto}")
            there.must_be_new()
            target = Base(package=kernel.pinned.package, version=kernel.pinned.version)
            done = load_series(self._folder(onto)) if onto != name and onto in self.names() else None
            with self._unpatched(series.base, there) as (old, old_base):
                # Debian may have withdrawn the old base: then there is nothing to merge with.
                originals = old if old_base == series.base else None
                with self._unpatched(target, there) as (source, base):
                    step.detail("committing the base")
                    worktree.port(series, originals, source, base, there, done=done)
            return worktree.export(there, self._folder(kernel.name))

    def check(self, name: str) -> None:
        """See that the series applies without fuzz, exports to itself and satisfies checkpatch.

        :raise PatchError: all that is wrong.
        """
        series = self._series(name)
        tree = kernel_tree(find_kernel(self.layout, name), fetcher=self.fetcher, store=self.store)
        with self.progress.step("patches", f"checking the series {series.name}"):
            tolerated = read_tolerated(self.layout.project / TOLERATED)
            worktree.check(series, tree.path, tree.originals, log=self._log, tolerated=tolerated)

    @property
    def _log(self) -> Path:
        return self.layout.logs / "patches.log"

    def _worktree(self, folder: Path) -> Worktree:
        return Worktree(folder.resolve(), self._log)

    def _series(self, name: str) -> Series:
        if name not in self.names():
            raise UsageError(unknown("patch series for Linux", name, self.names()))
        return load_series(self._folder(name))

    def _folder(self, name: str) -> Path:
        return self.layout.project / "patches" / f"{_PREFIX}{name}"

    @contextmanager
    def _unpatched(self, base: Base, there: Worktree) -> Iterator[tuple[Path, Base]]:
        """The source of a base, or of the nearest that is offered, in a folder beside the work tree."""
        fetched = self.fetcher.debian_package(base.package, base.version)
        there.path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".unpacking-", dir=there.path.parent) as name:
            source = Path(name, "linux")
            unpack_source(fetched.path, source, scratch=Path(name), log=there.log)
            yield source, Base(package=base.package, version=fetched.version)
