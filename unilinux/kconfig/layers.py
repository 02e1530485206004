# SPDX-License-Identifier: GPL-2.0-only
"""Layers of wishes made one: who overrules whom, and who contradicts whom. Knows no Kconfig."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unilinux.kconfig.wish import Layer, Wish

# The choice that a symbol belongs to, as any name that is the same for all its members.
ChoiceOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Wishes that cannot all be granted, the first of each party."""

    wishes: tuple[Wish, ...]
    choice: str | None = None

    def __str__(self) -> str:
        parties = " but ".join(f"{wish.symbol}={wish.value} is asked for at {wish.origin}" for wish in self.wishes)
        return f"{parties}: only one of them can be y" if self.choice else parties


@dataclass(frozen=True, slots=True)
class Merged:
    """For each symbol the wishes that agree on it, and the contradictions."""

    asked: Mapping[str, tuple[Wish, ...]]
    contradictions: tuple[Contradiction, ...]


def effective(layer: Layer, choice_of: ChoiceOf) -> tuple[Wish, ...]:
    """The wishes of a layer and of those that it stands on, without what it overrules.

    A y for one member of a choice overrules a y for another one.
    """
    if layer.base is None:
        return layer.wishes
    named = {wish.symbol for wish in layer.wishes}
    chosen = {choice_of(wish.symbol) for wish in layer.wishes if wish.value == "y"} - {None}
    inherited = effective(layer.base, choice_of)
    kept = (w for w in inherited if w.symbol not in named and not (w.value == "y" and choice_of(w.symbol) in chosen))
    return (*kept, *layer.wishes)


def merge(layers: Sequence[Layer], choice_of: ChoiceOf) -> Merged:
    """All layers as one. Equal wishes of several layers are kept, each with its origin."""
    asked: dict[str, list[Wish]] = {}
    members: dict[str, list[Wish]] = {}
    for layer in layers:
        for wish in effective(layer, choice_of):
            wishes = asked.setdefault(wish.symbol, [])
            if wish not in wishes:
                wishes.append(wish)
            choice = choice_of(wish.symbol)
            if choice is not None and wish.value == "y":
                members.setdefault(choice, []).append(wish)
    contradictions = [
        Contradiction(_first_of_each(wishes, by="value"))
        for wishes in asked.values()
        if len({wish.value for wish in wishes}) > 1
    ]
    contradictions += [
        Contradiction(_first_of_each(wishes, by="symbol"), choice)
        for choice, wishes in members.items()
        if len({wish.symbol for wish in wishes}) > 1
    ]
    return Merged({symbol: tuple(wishes) for symbol, wishes in asked.items()}, tuple(contradictions))


def _first_of_each(wishes: Sequence[Wish], *, by: str) -> tuple[Wish, ...]:
    first: dict[str, Wish] = {}
    for wish in wishes:
        first.setdefault(getattr(wish, by), wish)
    return tuple(first.values())
