# SPDX-License-Identifier: GPL-2.0-only
"""Configurations that differ in a little from a resolved one: "the same, without EPOLL".

A variation follows the rules of :mod:`unilinux.kconfig.resolve` with one exception:
its changes are granted as far as Kconfig lets them, and what cannot be any more
without them goes with them. What was only selected by a symbol that is taken away
goes too; what becomes possible stays off, since nobody asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unilinux.kconfig.linux import Symbol, Tree, is_logical, kind_of, place_of, value_of
from unilinux.kconfig.reasons import Reasons
from unilinux.kconfig.resolved import Resolved, Source
from unilinux.kconfig.solve import apply, current, outcome, refusal_error, refusals, set_values, validated
from unilinux.kconfig.wish import Layer, Origin, Wish

ORIGIN = Origin("this variation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A symbol that differs. ``because`` says why in a few words, empty if that was asked for."""

    symbol: str
    old: str
    new: str
    because: str = ""

    def __str__(self) -> str:
        text = f"{self.symbol}: {self.old} → {self.new}"
        return f"{text} ({self.because})" if self.because else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A change that Kconfig doesn't allow, in words: who selects it, what it lacks."""

    symbol: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Something that could be changed in a configuration as it is.

    ``value`` is that of a symbol, or for a choice the name of the ``members``' one
    that is y; ``low`` and ``high`` bound a number where Kconfig does.
    """

    name: str
    kind: str
    value: str
    members: tuple[str, ...] = ()
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A valid configuration, what it changes, and what was refused.

    ``lost`` are wishes of the layers that hold no more, the changed symbols themselves left out.
    """

    resolved: Resolved
    changes: tuple[Change, ...]
    refused: tuple[Refusal, ...] = ()
    lost: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {
            "resolved": self.resolved.to_json(),
            "changes": [asdict(change) for change in self.changes],
            "refused": [asdict(refusal) for refusal in self.refused],
            "lost": list(self.lost),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Variation:
        """The value that :meth:`to_json` was made from."""
        return cls(
            resolved=Resolved.from_json(data["resolved"]),
            changes=tuple(Change(**change) for change in data["changes"]),
            refused=tuple(Refusal(**refusal) for refusal in data["refused"]),
            lost=tuple(data["lost"]),
        )


class Variable:
    """A parsed tree with the configuration that layers make, to be varied any number of times.

    :raise ConfigError: the layers themselves can't be granted.
    """

    def __init__(self, tree: Tree, layers: Sequence[Layer], base: Layer | None, *, version: str, scratch: Path) -> None:
        reasons, problems = apply(tree, layers, base)
        if problems:
            raise refusal_error(problems)
        self._tree = tree
        self._reasons = reasons
        self._version = version
        self._scratch = scratch
        self.original = outcome(tree, reasons, version=version, scratch=scratch)

    def vary(self, changes: Mapping[str, str]) -> Variation:
        """The closest valid configuration with these values; changes count from the original.

        :raise ConfigError: unknown symbols or malformed values.
        """
        wishes = self._wishes(changes)
        named = {wish.symbol for wish in wishes}
        chosen = {self._choice(wish.symbol) for wish in wishes if wish.value == "y"} - {None}
        asked = self._without(self._reasons.asked, named, chosen)
        base = self._without(self._reasons.base, named, chosen)
        asked.update({wish.symbol: (wish,) for wish in wishes if not self._is_member_off(wish)})
        set_values(self._tree, (*base.values(), *asked.values()))
        reasons = Reasons(self._tree, self._granted(asked), self._granted(base))
        resolved = outcome(self._tree, reasons, version=self._version, scratch=self._scratch)
        return Variation(
            resolved=resolved,
            changes=self._changes(resolved, reasons, named),
            refused=tuple(
                Refusal(symbol=wish.symbol, value=wish.value, reason=problem.text)
                for wish in wishes
                for problem in refusals(self._tree, reasons, wish)
            ),
            lost=tuple(sorted(asked.keys() - reasons.asked.keys() - named)),
        )

    def settings(self, changes: Mapping[str, str]) -> tuple[Setting, ...]:
        """What could be changed in the variation with ``changes``: what is on, each choice, numbers and texts.

        :raise ConfigError: unknown symbols or malformed values.
        """
        self.vary(changes)
        found: dict[str, Setting] = {}
        for symbol in self._tree.symbols:
            setting = _setting(symbol)
            if setting is not None:
                found.setdefault(place_of(symbol.choice) if symbol.choice else setting.name, setting)
        return tuple(found.values())

    def _wishes(self, changes: Mapping[str, str]) -> tuple[Wish, ...]:
        wishes = tuple(Wish(symbol, value, ORIGIN) for symbol, value in changes.items())
        problems: list[Any] = []
        layer = validated(self._tree, Layer(name="variation", wishes=wishes), problems)
        if problems:
            raise refusal_error(problems)
        return layer.wishes

    def _choice(self, name: str) -> str | None:
        symbol = self._tree.find(name)
        return place_of(symbol.choice) if symbol is not None and symbol.choice else None

    def _is_member_off(self, wish: Wish) -> bool:
        return wish.value == "n" and self._choice(wish.symbol) is not None

    def _without(
        self, asked: Mapping[str, Sequence[Wish]], named: set[str], chosen: set[str | None]
    ) -> dict[str, Sequence[Wish]]:
        """The wishes without those for symbols that are changed, or for other members of a changed choice."""
        return {
            name: wishes
            for name, wishes in asked.items()
            if name not in named and not (wishes[0].value == "y" and self._choice(name) in chosen)
        }

    def _granted(self, asked: Mapping[str, Sequence[Wish]]) -> dict[str, Sequence[Wish]]:
        found = {}
        for name, wishes in asked.items():
            symbol = self._tree.find(name)
            if symbol is not None and current(symbol) == wishes[0].value:
                found[name] = wishes
        return found

    def _changes(self, now: Resolved, reasons: Reasons, named: set[str]) -> tuple[Change, ...]:
        before = self.original
        return tuple(
            Change(
                symbol=name,
                old=before.value(name),
                new=now.value(name),
                because="" if name in named else self._because(name, reasons),
            )
            for name in sorted(before.symbols.keys() | now.symbols.keys())
            if before.value(name) != now.value(name)
        )

    def _because(self, name: str, reasons: Reasons) -> str:
        symbol = self._tree.find(name)
        if symbol is None:
            return ""
        if current(symbol) != "n":
            return reasons.who(symbol)
        was = self.original.symbols[name]
        unmet = reasons.unmet(symbol)
        if was.source is Source.SELECTED:
            return f"it was selected by {', '.join(was.by)}"
        return unmet.phrases[0] if unmet.phrases else "it was on because of what is gone now"


def _setting(symbol: Symbol) -> Setting | None:
    """What of a symbol could be changed, if anything."""
    if not symbol.visibility or not any(node.prompt for node in symbol.nodes):
        return None
    if symbol.choice:
        members = tuple(member.name for member in symbol.choice.syms if member.visibility)
        picked = symbol.choice.selection
        if len(members) < 2 or picked is None:
            return None
        return Setting(name=members[0], kind="choice", value=picked.name, members=members)
    if is_logical(symbol):
        return Setting(name=symbol.name, kind="bool", value="y") if symbol.tri_value else None
    bounds = next(((low, high) for low, high, condition in symbol.ranges if value_of(condition)), None)
    low, high = (bounds[0].str_value, bounds[1].str_value) if bounds else ("", "")
    return Setting(name=symbol.name, kind=kind_of(symbol), value=current(symbol), low=low, high=high)
