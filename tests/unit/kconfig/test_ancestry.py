# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from unilinux.kconfig.ancestry import ancestry, askers
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.wish import Layer, Origin

LayerMaker = Callable[..., Layer]


def test_all_parties_are_named_each_with_its_place(layer: LayerMaker) -> None:
    profile = layer("server.toml", base=layer("tiny.toml", FUTEX="n", EXPERT="y"), FUTEX="y")
    found = askers((profile, layer("app.toml", NET="y", FUTEX="y")), "FUTEX")
    assert [(one.party, one.value, str(one.origin)) for one in found] == [
        ("server.toml", "y", "server.toml:1"),
        ("app.toml", "y", "app.toml:2"),
    ]
    assert [one.party for one in askers((profile,), "EXPERT")] == ["tiny.toml"]
    assert askers((profile,), "INET") == ()


def test_a_selected_symbol_leads_to_those_who_were_asked_for(
    solver: Callable[..., Resolved], layer: LayerMaker
) -> None:
    chain = ancestry(solver(layer("app.toml", NET="y")), "BPF")
    assert chain.lines() == ["BPF: selected by NET", "  NET: asked for at app.toml:1"]
    assert chain.document()["by"][0] == {"symbol": "NET", "reason": "asked for at app.toml:1", "by": []}


def test_a_circle_of_selections_ends(solver: Callable[..., Resolved], layer: LayerMaker) -> None:
    resolved = solver(layer("app.toml", NET="y"))
    states = dict(resolved.symbols)
    states["NET"] = replace(states["BPF"], name="NET", by=("BPF",), origins=(Origin("x"),))
    chain = ancestry(replace(resolved, symbols=states), "BPF")
    assert [line.split(":")[0].strip() for line in chain.lines()] == ["BPF", "NET"]


def test_what_is_not_set_has_no_ancestors(solver: Callable[..., Resolved], layer: LayerMaker) -> None:
    assert ancestry(solver(layer("app.toml")), "INET").lines() == ["INET: n"]
