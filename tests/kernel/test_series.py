# SPDX-License-Identifier: GPL-2.0-only
"""The patch series apply to their kernels without fuzz, export back identical, and please checkpatch."""

from __future__ import annotations

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.patches import Patches

pytestmark = [pytest.mark.tree, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("kernel", ["6.12", pytest.param("6.1", marks=pytest.mark.slow)])
def test_series_is_in_order(kernel: str, layout: Layout, store: Store) -> None:
    progress = Progress(NullSink())
    Patches(layout=layout, fetcher=Fetcher(layout, progress), store=store, progress=progress).check(kernel)
