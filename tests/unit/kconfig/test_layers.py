# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from unilinux.kconfig.layers import effective, merge
from unilinux.kconfig.wish import Layer, Origin, Wish

CHOICES = {"GZIP": "compression", "XZ": "compression"}


def wish(symbol: str, value: str, file: str) -> Wish:
    return Wish(symbol, value, Origin(file, 1))


def layer(file: str, base: Layer | None = None, **values: str) -> Layer:
    return Layer(name=file, wishes=tuple(wish(s, v, file) for s, v in values.items()), base=base)


def test_overruling_reaches_down_the_whole_chain() -> None:
    chain = layer("c", layer("b", layer("a", NET="y", FUTEX="y"), EPOLL="y"), NET="n")
    assert {w.symbol: w.value for w in effective(chain, CHOICES.get)} == {"FUTEX": "y", "EPOLL": "y", "NET": "n"}


def test_member_of_a_choice_overrules_its_siblings() -> None:
    chain = layer("b", layer("a", GZIP="y"), XZ="y")
    assert [w.symbol for w in effective(chain, CHOICES.get)] == ["XZ"]


def test_refusing_a_member_keeps_its_siblings() -> None:
    chain = layer("b", layer("a", GZIP="y"), XZ="n")
    assert [(w.symbol, w.value) for w in effective(chain, CHOICES.get)] == [("GZIP", "y"), ("XZ", "n")]


def test_agreement_keeps_every_origin() -> None:
    merged = merge([layer("a", NET="y"), layer("b", NET="y")], CHOICES.get)
    assert [w.origin.file for w in merged.asked["NET"]] == ["a", "b"]
    assert merged.contradictions == ()


def test_what_a_child_overrules_contradicts_nobody() -> None:
    profile = layer("child", layer("parent", NET="n"), NET="y")
    assert merge([profile, layer("app", NET="y")], CHOICES.get).contradictions == ()


def test_what_a_parent_says_contradicts_an_application() -> None:
    profile = layer("child", layer("parent", NET="n"), FUTEX="y")
    merged = merge([profile, layer("app", NET="y")], CHOICES.get)
    assert [str(c) for c in merged.contradictions] == ["NET=n is asked for at parent:1 but NET=y is asked for at app:1"]


def test_layer_survives_json() -> None:
    chain = layer("b", layer("a", NET="y"), XZ="y")
    assert Layer.from_json(chain.to_json()) == chain
