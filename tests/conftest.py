# SPDX-License-Identifier: GPL-2.0-only
"""What tests of several folders share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.source import find_kernel
from unilinux.kernel.source import kernel_tree as unpacked

PROJECT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """Let what the tests start be interrupted: a shell has its jobs in the background ignore SIGINT, for good."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is quick comes first: a mistake shows in seconds, not after kernels were compiled."""
    for item in items:
        if item.get_closest_marker("boot") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))  # it may have to compile a kernel first
    items.sort(key=lambda item: any(item.get_closest_marker(mark) for mark in ("boot", "tree")))


def unpacked_kernel(name: str | None = None) -> Path:
    """The patched source tree of a kernel, the usual one by default, in the user's own cache; it is only read."""
    layout = Layout.of(PROJECT, os.environ)
    progress = Progress(NullSink())
    store = LocalStore(layout.store, logs=layout.logs, progress=progress)
    return unpacked(find_kernel(layout, name), fetcher=Fetcher(layout, progress), store=store).path


@pytest.fixture(scope="session")
def kernel_tree() -> Path:
    """The usual kernel's tree."""
    return unpacked_kernel()
