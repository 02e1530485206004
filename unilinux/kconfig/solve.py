# SPDX-License-Identifier: GPL-2.0-only
"""From layers of wishes to a configuration, on a parsed tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.core.errors import ConfigError
from unilinux.core.suggest import suggestion
from unilinux.kconfig.layers import effective, merge
from unilinux.kconfig.linux import Symbol, Tree, is_logical, kind_of, place_of, selectors_of, text_of, value_of
from unilinux.kconfig.reasons import Reasons
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.wish import Layer, Wish

_FORMS = {
    "bool": (r"[yn]", "y or n"),
    "tristate": (r"[ymn]", "y, m or n"),
    "int": (r"-?[0-9]+", "a decimal number"),
    "hex": (r"0[xX][0-9a-fA-F]+", "a hexadecimal number with its 0x"),
    "string": (r"[^\n]*", "a line of text"),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """A wish that cannot be granted, and the symbols that would help it."""

    text: str
    ask_for: tuple[str, ...] = ()


def solve(tree: Tree, layers: Sequence[Layer], base: Layer | None, *, version: str, scratch: Path) -> Resolved:
    """Grant every wish, or say of each one that can't be granted why.

    :raise ConfigError: unknown symbols, malformed values, contradictions, wishes
        that Kconfig refuses; all of them at once.
    """
    reasons, problems = apply(tree, layers, base)
    if problems:
        raise refusal_error(problems)
    return outcome(tree, reasons, version=version, scratch=scratch)


def apply(tree: Tree, layers: Sequence[Layer], base: Layer | None) -> tuple[Reasons, list[Problem]]:
    """Set the tree's symbols from the wishes; what couldn't be granted comes back as problems."""
    choices = _Choices(tree)
    problems: list[Problem] = []
    valid = [validated(tree, layer, problems) for layer in layers]
    merged = merge(valid, choices.of)
    problems += [Problem(str(contradiction)) for contradiction in merged.contradictions]
    remaining = _not_overruled(base, valid, choices)
    set_values(tree, (*remaining.values(), *merged.asked.values()))
    reasons = Reasons(tree, merged.asked, remaining)
    contradicted = {wish.symbol for contradiction in merged.contradictions for wish in contradiction.wishes}
    for name, wishes in merged.asked.items():
        if name not in contradicted:
            problems += refusals(tree, reasons, wishes[0])
    return reasons, problems


def set_values(tree: Tree, asked: Iterable[Sequence[Wish]]) -> None:
    """Give the tree these values and no others; of wishes for the same symbol the first counts, as they agree."""
    tree.start_from_nothing()
    for wishes in asked:
        symbol = tree.find(wishes[0].symbol)
        # Choices are set by the member that is y; n for one says nothing of the others.
        if symbol is not None and not (symbol.choice and wishes[0].value == "n"):
            symbol.set_value(wishes[0].value)


def outcome(tree: Tree, reasons: Reasons, *, version: str, scratch: Path) -> Resolved:
    """What the tree's values make: the .config, and where each symbol comes from."""
    return Resolved(
        config=tree.config_text(scratch / "config"),
        kernel_version=version,
        symbols={
            symbol.name: reasons.state(symbol)
            for symbol in tree.symbols
            if symbol.name in reasons.asked or symbol.config_string.startswith("CONFIG_")
        },
        warnings=tree.parse_warnings,
    )


class _Choices:
    """Which choice a symbol belongs to, by the place of its definition."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def of(self, name: str) -> str | None:
        symbol = self._tree.find(name)
        return place_of(symbol.choice) if symbol is not None and symbol.choice else None


def _not_overruled(base: Layer | None, layers: Iterable[Layer], choices: _Choices) -> dict[str, tuple[Wish, ...]]:
    """Tinyconfig's wishes where nobody else asks for anything."""
    if base is None:
        return {}
    above = Layer(name="all", wishes=tuple(w for layer in layers for w in effective(layer, choices.of)), base=base)
    own = set(effective(base, choices.of))
    return {wish.symbol: (wish,) for wish in effective(above, choices.of) if wish in own}


def validated(tree: Tree, layer: Layer, problems: list[Problem]) -> Layer:
    """The layer with values in one form; unknown symbols and malformed values become problems."""
    wishes = []
    for wish in layer.wishes:
        symbol = tree.find(wish.symbol)
        if symbol is None:
            problems.append(Problem(_unknown(tree, wish)))
            continue
        form, words = _FORMS[kind_of(symbol)]
        if not re.fullmatch(form, wish.value):
            kind = kind_of(symbol)
            problems.append(Problem(f"{_asked(wish)}: {wish.symbol} is {_article(kind)} {kind}, it takes {words}"))
            continue
        wishes.append(replace(wish, value=canonical(kind_of(symbol), wish.value)))
    below = validated(tree, layer.base, problems) if layer.base else None
    return replace(layer, wishes=tuple(wishes), base=below)


def canonical(kind: str, value: str) -> str:
    """The one form of a value, so that equal ones are equal texts: ``0x0A`` is ``0xa``."""
    if kind == "hex":
        return hex(int(value, 16))
    return str(int(value)) if kind == "int" else value


def current(symbol: Symbol) -> str:
    """The symbol's value in the form of :func:`canonical`."""
    return canonical(kind_of(symbol), symbol.str_value or _empty(symbol))


def refusals(tree: Tree, reasons: Reasons, wish: Wish) -> list[Problem]:
    """Why the symbol hasn't the value that the wish asks for; nothing if it has."""
    symbol = tree.find(wish.symbol)
    if symbol is None or current(symbol) == wish.value:
        return []
    got = symbol.str_value or ("n" if is_logical(symbol) else '""')
    asked = _asked(wish)
    if is_logical(symbol) and wish.value == "n":
        return [Problem(f"{asked}, but it is {got}: {_why_not_n(symbol, reasons)}")]
    unmet = reasons.unmet(symbol)
    if unmet.phrases:
        return [Problem(f"{asked}, but {'; '.join(unmet.phrases)}", unmet.ask_for)]
    for low, high, condition in symbol.ranges:
        if value_of(condition):
            return [Problem(f"{asked}, but it must lie between {low.str_value} and {high.str_value}")]
    if symbol.choice and symbol.choice.selection:
        other = symbol.choice.selection
        return [Problem(f"{asked}, but {other.name} is chosen instead ({reasons.who(other)})")]
    forced = selectors_of(symbol.rev_dep, active=True)
    by = f": selected by {', '.join(name for name, _ in forced)}" if forced else ""
    hint = " (this kernel has no loadable modules)" if wish.value == "m" else ""
    return [Problem(f"{asked}, but Kconfig makes it {got}{by}{hint}")]


def _why_not_n(symbol: Symbol, reasons: Reasons) -> str:
    forced = selectors_of(symbol.rev_dep, active=True)
    if forced:
        whole = [f"{name} ({_who_named(reasons, name)})" for name, _ in forced]
        return f"it is selected by {', '.join(whole)}"
    if symbol.choice:
        others = ", ".join(member.name for member in symbol.choice.syms if member is not symbol)
        return f"it is what its choice falls back to; ask for another member with y: {others}"
    conditions = [text_of(condition) for _, condition in symbol.defaults if value_of(condition)]
    when = f" when {conditions[0]}" if conditions and conditions[0] != "y" else ""
    return f"it cannot be asked for and is on by default{when} ({place_of(symbol)})"


def _who_named(reasons: Reasons, name: str) -> str:
    symbol = reasons.tree.find(name)
    return reasons.who(symbol) if symbol is not None else "unknown"


def _unknown(tree: Tree, wish: Wish) -> str:
    bare = wish.symbol.removeprefix("CONFIG_")
    if bare != wish.symbol and tree.find(bare):
        return f"{_asked(wish)}: symbols are written without CONFIG_: {bare}"
    guess = suggestion(wish.symbol, (symbol.name for symbol in tree.symbols))
    return f"{_asked(wish)}: this kernel has no such symbol{guess}"


def _asked(wish: Wish) -> str:
    return f"{wish.symbol}={wish.value} asked for at {wish.origin}"


def _empty(symbol: Symbol) -> str:
    # A number that isn't visible and has no default is the empty string.
    return {"int": "0", "hex": "0x0"}.get(kind_of(symbol), "")


def _article(kind: str) -> str:
    return "an" if kind == "int" else "a"


def refusal_error(problems: Sequence[Problem]) -> ConfigError:
    """All that cannot be granted, as one error."""
    unique = dict.fromkeys(problem.text for problem in problems)
    ask_for = dict.fromkeys(name for problem in problems for name in problem.ask_for)
    lines = "  ".join(f'{name} = "y"' for name in ask_for)
    hint = f"add to [kernel] of the application or profile: {lines}" if ask_for else None
    if len(unique) == 1:
        return ConfigError(next(iter(unique)), hint=hint)
    return ConfigError(f"{len(unique)} Kconfig wishes cannot be granted", details=unique, hint=hint)
