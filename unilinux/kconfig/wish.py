# SPDX-License-Identifier: GPL-2.0-only
"""A wish: one Kconfig symbol that somebody wants to have one value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks: a file, and the line in it when there is one.

    >>> str(Origin("configs/profiles/net.toml", 12))
    'configs/profiles/net.toml:12'
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Wish:
    """``symbol`` (without ``CONFIG_``) shall have ``value``.

    ``value`` is written as in a profile: ``y`` or ``n``, a number, a hexadecimal
    number with its ``0x``, or a string without quotes. ``why`` is a reason for
    people; it changes nothing. ``kernel`` is the only kernel, such as ``6.12``,
    that the wish is meant for; empty: all of them. An ``optional`` wish for a symbol
    of a patch series is dropped for a kernel whose series doesn't have it.
    """

    symbol: str
    value: str
    origin: Origin
    why: str = ""
    kernel: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The wishes of one party: a profile, a machine, an application.

    ``base`` is the layer that this one may overrule, as a profile overrules the
    one it extends. Layers that don't stand on each other must not contradict.
    """

    name: str
    wishes: tuple[Wish, ...]
    base: Layer | None = None

    def on(self, kernel: str) -> Layer:
        """The layer, and those that it stands on, with no wish that is meant for another kernel."""
        kept = tuple(wish for wish in self.wishes if wish.kernel in ("", kernel))
        return replace(self, wishes=kept, base=self.base.on(kernel) if self.base else None)

    def with_symbols(self, declared: Collection[str]) -> Layer:
        """The layer, and those that it stands on, without optional wishes for symbols that aren't declared."""
        kept = tuple(wish for wish in self.wishes if not wish.optional or wish.symbol in declared)
        return replace(self, wishes=kept, base=self.base.with_symbols(declared) if self.base else None)

    @property
    def all_wishes(self) -> tuple[Wish, ...]:
        """Its own wishes, behind those of the layers that it stands on."""
        return (*(self.base.all_wishes if self.base else ()), *self.wishes)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json` and for cache keys."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Layer:
        """The value that :meth:`to_json` was made from."""
        wishes = tuple(Wish(**{**wish, "origin": Origin(**wish["origin"])}) for wish in data["wishes"])
        base = cls.from_json(data["base"]) if data["base"] else None
        return cls(name=data["name"], wishes=wishes, base=base)
