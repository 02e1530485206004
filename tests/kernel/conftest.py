# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel tree, from the user's own cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.source import KernelTree, find_kernel, kernel_tree

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def layout() -> Layout:
    """The user's own cache: a kernel that was built before is not built again."""
    return Layout.of(PROJECT, os.environ)


@pytest.fixture(scope="session")
def store(layout: Layout) -> Store:
    return LocalStore(
        layout.store, logs=layout.logs, progress=Progress(NullSink()), compiler_cache=layout.compiler_cache
    )


@pytest.fixture(scope="session")
def tree(layout: Layout, store: Store) -> KernelTree:
    return kernel_tree(find_kernel(layout), fetcher=Fetcher(layout, Progress(NullSink())), store=store)
