# SPDX-License-Identifier: GPL-2.0-only
"""Takes the :class:`~unilinux.kconfig.explain.Explanation` of a symbol off a parsed tree."""

from __future__ import annotations

from unilinux.core.errors import UsageError
from unilinux.core.suggest import suggestion
from unilinux.kconfig.explain import Explanation
from unilinux.kconfig.linux import AND, Symbol, Tree, selectors_of, split, symbols_in, text_of, value_of
from unilinux.kconfig.reasons import Reasons


def describe(tree: Tree, reasons: Reasons, name: str) -> Explanation:
    """Everything about the symbol ``name``.

    :raise UsageError: the tree has no such symbol.
    """
    symbol = tree.find(name)
    if symbol is None:
        guess = suggestion(name, (each.name for each in tree.symbols))
        raise UsageError(f"this kernel has no symbol {name!r}{guess}")
    unmet = reasons.unmet(symbol)
    active = tuple(who for who, _ in selectors_of(symbol.rev_dep, active=True))
    others = tuple(who for who, _ in selectors_of(symbol.rev_dep, active=False) if who not in active)
    selects = {target.name for target, condition in symbol.selects if value_of(condition)}
    return Explanation(
        state=reasons.state(symbol),
        prompt=next((node.prompt[0] for node in symbol.nodes if node.prompt), ""),
        help=next((node.help for node in symbol.nodes if node.help), ""),
        reason=reasons.who(symbol),
        depends_on=text_of(symbol.direct_dep),
        unmet=unmet.phrases if symbol.str_value in ("", "n") else (),
        ask_for=unmet.ask_for if symbol.str_value in ("", "n") else (),
        selected_by=active,
        could_be_selected_by=others,
        selects=tuple(sorted(selects)),
        needed_by=tuple(sorted(each.name for each in tree.symbols if _needs(each, symbol))),
        choice_members=tuple(member.name for member in symbol.choice.syms) if symbol.choice else (),
    )


def _needs(each: Symbol, symbol: Symbol) -> bool:
    """Whether ``each`` is set and would not be without ``symbol``: it is a conjunct of its dependencies."""
    if not each.config_string.startswith("CONFIG_") or symbol not in set(symbols_in(each.direct_dep)):
        return False
    return any(term is symbol for term in split(each.direct_dep, AND))
