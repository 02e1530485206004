# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.kconfig.base import tinyconfig_layer
from unilinux.kconfig.describe import describe
from unilinux.kconfig.explain import Explanation
from unilinux.kconfig.linux import Tree
from unilinux.kconfig.solve import apply
from unilinux.kconfig.wish import Layer

LayerMaker = Callable[..., Layer]
Describer = Callable[..., Explanation]


@pytest.fixture
def described(parsed: Tree, mini_tree: Path) -> Describer:
    def done(symbol: str, *layers: Layer) -> Explanation:
        reasons, _ = apply(parsed, layers, tinyconfig_layer(mini_tree))
        return describe(parsed, reasons, symbol)

    return done


def test_symbol_that_is_set(described: Describer, layer: LayerMaker) -> None:
    found = described("NET", layer("a.toml", NET="y", INET="y"))
    assert found.reason == "asked for at a.toml:1"
    assert found.selects == ("BPF",)
    assert found.needed_by == ("DIAG", "INET")
    assert found.unmet == ()


def test_symbol_that_is_selected(described: Describer, layer: LayerMaker) -> None:
    found = described("LOCKS", layer("a.toml", SMP="y"))
    assert found.selected_by == ("SMP",)
    assert found.reason == "selected by SMP"


def test_symbol_that_could_be_selected(described: Describer) -> None:
    assert described("LOCKS").could_be_selected_by == ("SMP",)


def test_member_of_a_choice(described: Describer) -> None:
    assert described("KERNEL_LZ4").choice_members == ("KERNEL_GZIP", "KERNEL_XZ", "KERNEL_LZ4")


def test_wish_that_cannot_be_granted_is_explained_too(described: Describer, layer: LayerMaker) -> None:
    found = described("INET", layer("a.toml", INET="y"))
    assert found.state.value == "n"
    assert found.unmet == ("it depends on NET, which is n (nothing asks for it)",)


def test_survives_json(described: Describer, layer: LayerMaker) -> None:
    found = described("NET", layer("a.toml", NET="y"))
    assert Explanation.from_json(found.to_json()) == found


def test_unknown_symbol(described: Describer) -> None:
    with pytest.raises(UsageError, match="no symbol 'EPOL'; did you mean 'EPOLL'"):
        described("EPOL")
