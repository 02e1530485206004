# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable

from unilinux.kconfig.explain import by_origin, table
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.wish import Layer

Solver = Callable[..., Resolved]
LayerMaker = Callable[..., Layer]


def test_table_has_first_what_was_asked_for(solver: Solver, layer: LayerMaker) -> None:
    names = [state.name for state in table(solver(layer("a.toml", NET="y", INET="y")))]
    assert names[:3] == ["INET", "NET", "BPF"]


def test_groups_follow_the_files(solver: Solver, layer: LayerMaker) -> None:
    groups = by_origin(solver(layer("b.toml", NET="y", INET="y"), layer("a.toml", PCI="y", NET="y")))
    assert list(groups)[:2] == ["a.toml", "arch/x86/configs/tiny.config"]
    assert [state.name for state in groups["b.toml"]] == ["NET", "INET"]
    assert [state.name for state in groups["a.toml"]] == ["PCI", "NET"]
    assert [state.name for state in groups["selected"]] == ["BPF"]
    assert [state.name for state in groups["implied"]] == ["DIAG"]
