# SPDX-License-Identifier: GPL-2.0-only
"""Who asked for a symbol, and for those that select it, and for those in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.wish import Layer, Origin

_DEEPEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A party that wishes for the symbol's value: ``profile server``, ``application nginx``, ``machine microvm``."""

    party: str
    value: str
    origin: Origin
    why: str

    def document(self) -> dict[str, str]:
        """Plain JSON data."""
        return {"party": self.party, "value": self.value, "at": str(self.origin), "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A symbol and where its value comes from; ``by`` are those that select or imply it."""

    symbol: str
    reason: str
    by: tuple[Ancestor, ...] = ()

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"symbol": self.symbol, "reason": self.reason, "by": [each.document() for each in self.by]}

    def lines(self, indent: int = 0) -> list[str]:
        """For people: one line each, those who select it below."""
        own = f"{'  ' * indent}{self.symbol}: {self.reason}"
        return [own, *(line for each in self.by for line in each.lines(indent + 1))]


def askers(layers: Sequence[Layer], symbol: str) -> tuple[Asker, ...]:
    """All parties that wish for something of the symbol: what a layer overrules of its base is left out."""
    return tuple(asker for layer in layers for asker in _askers(layer, symbol))


def _askers(layer: Layer, symbol: str) -> Iterator[Asker]:
    found = [wish for wish in layer.wishes if wish.symbol == symbol]
    yield from (Asker(party=layer.name, value=wish.value, origin=wish.origin, why=wish.why) for wish in found)
    if layer.base is not None and not found:
        yield from _askers(layer.base, symbol)


def ancestry(resolved: Resolved, symbol: str) -> Ancestor:
    """The symbol with those that select it, up to those that somebody asked for; each symbol once."""
    return _ancestor(resolved, symbol, {symbol}, 0)


def _ancestor(resolved: Resolved, symbol: str, seen: set[str], depth: int) -> Ancestor:
    state = resolved.symbols.get(symbol)
    if state is None:
        return Ancestor(symbol=symbol, reason="n")
    new = [name for name in state.by if name not in seen] if depth < _DEEPEST else []
    seen.update(new)
    return Ancestor(
        symbol=symbol, reason=state.reason, by=tuple(_ancestor(resolved, name, seen, depth + 1) for name in new)
    )
