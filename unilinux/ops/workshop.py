# SPDX-License-Identifier: GPL-2.0-only
"""What every use case works with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher

if TYPE_CHECKING:
    from unilinux.vm.engine import Engine


def _usual_jobs() -> int:
    return len(os.sched_getaffinity(0))


def _local_store(layout: Layout, progress: Progress) -> Store:
    return LocalStore(
        layout.store,
        logs=layout.logs,
        progress=progress,
        limit_bytes=layout.cache_limit_bytes,
        cache=layout.cache,
        compiler_cache=layout.compiler_cache,
    )


def _native_engine(request: str, cache: Path) -> Engine:
    from unilinux.vm.choose import native_engine  # building needs no engine

    return native_engine(request, cache)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where things lie, who is told of progress, and how stores, downloads and engines are had.

    ``jobs`` is how many compilers may run at once: as many as this process has CPUs, unless told.
    A workshop may serve several use cases at the same time.
    """

    layout: Layout
    progress: Progress
    jobs: int = field(default_factory=_usual_jobs)
    store_factory: Callable[[Layout, Progress], Store] = _local_store
    fetcher_factory: Callable[[Layout, Progress], Fetcher] = Fetcher
    engine_choice: Callable[[str, Path], Engine] = _native_engine

    def new_store(self) -> Store:
        """The store of build steps; it remembers which ones it went through, so each use case takes one of its own."""
        return self.store_factory(self.layout, self.progress)

    def new_fetcher(self) -> Fetcher:
        """Verified downloads."""
        return self.fetcher_factory(self.layout, self.progress)

    def engine(self, request: str) -> Engine:
        """What runs machines, with the accelerator for ``auto``, ``kvm`` or ``tcg``.

        :raise UsageError: there is no such accelerator.
        :raise HostError: KVM was asked for and doesn't run a guest here.
        """
        return self.engine_choice(request, self.layout.cache)
