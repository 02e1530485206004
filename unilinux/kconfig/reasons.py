# SPDX-License-Identifier: GPL-2.0-only
"""Why a symbol has the value that it has, and why not another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unilinux.kconfig.linux import (
    AND,
    NOT,
    OR,
    Expression,
    Symbol,
    Tree,
    is_logical,
    is_symbol,
    kind_of,
    place_of,
    selectors_of,
    split,
    text_of,
    value_of,
)
from unilinux.kconfig.resolved import Source, SymbolState
from unilinux.kconfig.wish import Origin, Wish


@dataclass(frozen=True, slots=True)
class Unmet:
    """What keeps a symbol from being set: phrases for people, and what would have to be asked for."""

    phrases: tuple[str, ...]
    ask_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasons:
    """Answers about a tree whose symbols have their final values.

    ``asked`` are the wishes of the layers, ``base`` those of tinyconfig that
    nothing overrules.
    """

    tree: Tree
    asked: Mapping[str, Sequence[Wish]]
    base: Mapping[str, Sequence[Wish]]

    def state(self, symbol: Symbol) -> SymbolState:
        """The symbol's value and where it comes from."""
        value = symbol.str_value
        wishes = self.asked.get(symbol.name, ())
        selectors = tuple(name for name, _ in selectors_of(symbol.rev_dep, active=True)) if value != "n" else ()
        implied = tuple(name for name, _ in selectors_of(symbol.weak_rev_dep, active=True)) if value != "n" else ()
        base = self.base.get(symbol.name, ())
        origins: tuple[Origin, ...] = ()
        by = selectors
        if wishes:
            source, origins = Source.ASKED, tuple(wish.origin for wish in wishes)
        elif selectors:
            source = Source.SELECTED
        elif base and base[0].value == value:
            source, origins = Source.BASE, tuple(wish.origin for wish in base)
        elif implied and not symbol.visibility:
            source, by = Source.IMPLIED, implied
        else:
            source = Source.DEFAULT
        return SymbolState(
            name=symbol.name,
            kind=kind_of(symbol),
            value=value,
            source=source,
            origins=origins,
            by=by,
            defined_at=place_of(symbol),
            why="; ".join(dict.fromkeys(wish.why for wish in wishes if wish.why)),
        )

    def who(self, symbol: Symbol) -> str:
        """Why the symbol has its value, as a phrase for brackets: ``nothing asks for it``."""
        state = self.state(symbol)
        if state.source is not Source.DEFAULT:
            return state.reason
        if is_logical(symbol) and symbol.tri_value == 0:
            if any(node.prompt for node in symbol.nodes):
                return "nothing asks for it"
            return _only_by_others(symbol)
        return state.reason

    def unmet(self, symbol: Symbol) -> Unmet:
        """Why nobody's wish for the symbol can have an effect; no phrases if it can."""
        return self._unmet(symbol, frozenset())

    def _unmet(self, symbol: Symbol, seen: frozenset[str]) -> Unmet:
        prompts = [node.prompt[1] for node in symbol.nodes if node.prompt]
        if not prompts:
            return Unmet((_only_by_others(symbol),))
        if symbol.visibility:
            return Unmet(())
        # Of several definitions, the one that lacks least.
        terms = min(([t for t in split(p, AND) if not value_of(t)] for p in prompts), key=len)
        phrases: list[str] = []
        ask_for: list[str] = []
        for term in terms:
            found = self._unmet_term(term, seen | {symbol.name})
            phrases.extend(found.phrases)
            ask_for.extend(found.ask_for)
        return Unmet(tuple(dict.fromkeys(phrases)), tuple(dict.fromkeys(ask_for)))

    def _unmet_term(self, term: Expression, seen: frozenset[str]) -> Unmet:
        if is_symbol(term):
            return self._unmet_symbol(term, seen)
        if isinstance(term, tuple) and term[0] == NOT and is_symbol(term[1]):
            name = term[1].name
            return Unmet((f"it needs {name} to be n, which is {term[1].str_value} ({self.who(term[1])})",))
        if isinstance(term, tuple) and term[0] == OR:
            values = ", ".join(_valued(part) for part in split(term, OR))
            return Unmet((f"it depends on one of: {values}",))
        return Unmet((f"it depends on {text_of(term)}, which does not hold",))

    def _unmet_symbol(self, symbol: Symbol, seen: frozenset[str]) -> Unmet:
        if not symbol.nodes:
            return Unmet((f"it depends on {symbol.name}, which this kernel does not have",))
        phrase = f"it depends on {symbol.name}, which is {symbol.str_value or 'n'} ({self.who(symbol)})"
        can_be_added = symbol.name not in self.asked and symbol.name not in seen and is_logical(symbol)
        if not can_be_added or not any(node.prompt for node in symbol.nodes):
            return Unmet((phrase,))
        below = self._unmet(symbol, seen)
        if not below.phrases:
            return Unmet((phrase,), (symbol.name,))
        deeper = tuple(f"{symbol.name} in turn: {text.removeprefix('it ')}" for text in below.phrases)
        return Unmet((phrase, *deeper), (*below.ask_for, symbol.name))


def _valued(part: Expression) -> str:
    if is_symbol(part):
        return f"{part.name} ({part.str_value if part.nodes else 'not in this kernel'})"
    return text_of(part)


def _only_by_others(symbol: Symbol) -> str:
    selectors = [name for name, _ in selectors_of(symbol.rev_dep, active=False)]
    if not selectors:
        return f"it cannot be asked for, see {place_of(symbol)}"
    more = f" or {len(selectors) - 3} others" if len(selectors) > 3 else ""
    return f"it cannot be asked for; it is selected by {', '.join(selectors[:3])}{more}"
