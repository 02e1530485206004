# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.step import config_action, config_step
from unilinux.kconfig.toolchain import Toolchain
from unilinux.kconfig.wish import Layer

LayerMaker = Callable[..., Layer]


def test_resolved_once_then_found(mini_tree: Path, layer: LayerMaker, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    asked = [layer("a.toml", NET="y")]
    first = store.run(config_step(asked, tree_digest="t"), config_action(mini_tree, asked))
    again = store.run(config_step(asked, tree_digest="t"), config_action(mini_tree, asked))
    assert (first.cached, again.cached) == (False, True)
    assert Resolved.read(again.path).value("NET") == "y"


@pytest.mark.parametrize("change", ["layers", "tree", "tools"])
def test_key_covers_all_that_counts(layer: LayerMaker, change: str) -> None:
    def key(values: str = "y", tree: str = "t", ld: str = "ld") -> str:
        return config_step([layer("a", NET=values)], tree_digest=tree, tools=Toolchain(ld=ld)).key()

    changed = {"layers": lambda: key(values="n"), "tree": lambda: key(tree="u"), "tools": lambda: key(ld="ld.bfd")}
    assert key() == key()
    assert key() != changed[change]()
