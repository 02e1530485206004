# SPDX-License-Identifier: GPL-2.0-only
"""The one importer of kconfiglib: Linux's Kconfig tree, as far as it is used here, typed.

kconfiglib 14.1.0 reads Kconfig's grammar of 2020 and its settings from the
process's environment; :mod:`unilinux.kconfig.worker` gives it a process of its
own for that.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, cast

import kconfiglib

from unilinux.core.errors import ConfigError

# An expression is a symbol, a choice, or a tuple of an operator and its operands.
Expression = Any

AND, OR, NOT = kconfiglib.AND, kconfiglib.OR, kconfiglib.NOT

PARSER_VERSION = ".".join(map(str, kconfiglib.VERSION))

# Attributes that Linux uses and kconfiglib doesn't know: ``modules`` (since 5.13;
# kconfiglib ties modules to the symbol MODULES in any case) and ``transitional``
# (since 6.18; marks a symbol that is only read from old .config files).
_UNKNOWN_ATTRIBUTES = re.compile(r"^[ \t]+(?:modules|transitional)[ \t]*$", re.MULTILINE)


class Node(Protocol):
    """One place where a symbol is defined."""

    filename: str
    linenr: int
    prompt: tuple[str, Expression] | None
    dep: Expression
    help: str | None


class Choice(Protocol):
    """A group of symbols of which exactly one is y."""

    nodes: Sequence[Node]
    syms: Sequence[Symbol]
    selection: Symbol | None
    visibility: int


class Symbol(Protocol):
    """A Kconfig symbol; values are n, m, y (0, 1, 2) or strings."""

    name: str
    nodes: Sequence[Node]
    choice: Choice | None
    str_value: str
    tri_value: int
    visibility: int
    is_constant: bool
    direct_dep: Expression
    rev_dep: Expression
    weak_rev_dep: Expression
    selects: Sequence[tuple[Symbol, Expression]]
    defaults: Sequence[tuple[Expression, Expression]]
    ranges: Sequence[tuple[Symbol, Symbol, Expression]]
    config_string: str

    def set_value(self, value: str | int) -> bool:
        """Ask for a value; whether it has the form of one."""


class _Parser(kconfiglib.Kconfig):  # type: ignore[misc]
    def _open(self, filename: str, mode: str) -> IO[str]:
        # kconfiglib has no public place for this: its version is pinned, and a
        # test compares what comes out with `make olddefconfig`.
        if mode != "r":
            return open(filename, mode, encoding="utf-8")
        with open(filename, encoding="utf-8") as file:
            return io.StringIO(_UNKNOWN_ATTRIBUTES.sub("", file.read()))


class Tree:
    """A parsed kernel tree. Symbols are changed only by :meth:`start_from_nothing` and ``set_value``."""

    def __init__(self) -> None:
        """Parse the tree that ``$srctree`` names; the environment must be make's.

        :raise ConfigError: Kconfig files that can't be parsed.
        """
        try:
            self._kconfig = _Parser("Kconfig", warn=True, warn_to_stderr=False)
        except (kconfiglib.KconfigError, OSError) as error:
            raise ConfigError(f"the tree's Kconfig files cannot be read: {error}") from error
        self._title = f"Linux/{os.environ['ARCH']} {os.environ['KERNELVERSION']} Kernel Configuration"
        self.parse_warnings = tuple(self._kconfig.warnings)
        self._kconfig.warn = False

    @property
    def symbols(self) -> Sequence[Symbol]:
        """Every symbol that has a definition, in the order of the files."""
        return cast("Sequence[Symbol]", self._kconfig.unique_defined_syms)

    def find(self, name: str) -> Symbol | None:
        """The symbol of that name, if the tree defines it."""
        symbol = self._kconfig.syms.get(name)
        return cast("Symbol", symbol) if symbol is not None and symbol.nodes else None

    def start_from_nothing(self) -> None:
        """Forget all values and say n to every symbol, as ``make allnoconfig`` does; choices keep their default."""
        self._kconfig.unset_values()
        for symbol in self.symbols:
            if is_logical(symbol) and symbol.choice is None:
                symbol.set_value(0)

    def config_text(self, path: Path) -> str:
        """The .config as ``make`` writes it. ``path`` is a file to use on the way."""
        header = f"#\n# Automatically generated file; DO NOT EDIT.\n# {self._title}\n#\n"
        self._kconfig.write_config(str(path), header=header, save_old=False)
        return path.read_text(encoding="utf-8")


def kind_of(symbol: Symbol) -> str:
    """``bool``, ``tristate``, ``int``, ``hex`` or ``string``."""
    return str(kconfiglib.TYPE_TO_STR[cast("Any", symbol).orig_type])


def is_logical(symbol: Symbol) -> bool:
    """Whether the symbol is y or n, rather than a number or text."""
    return kind_of(symbol) in ("bool", "tristate")


def is_symbol(expression: Expression) -> bool:
    """Whether an expression is one symbol and no choice, operator or constant."""
    return isinstance(expression, kconfiglib.Symbol) and not expression.is_constant


def value_of(expression: Expression) -> int:
    """n, m or y as 0, 1, 2."""
    return int(kconfiglib.expr_value(expression))


def split(expression: Expression, operator: int) -> list[Expression]:
    """The operands of a chain of one operator: ``A && B && C`` gives three."""
    return list(kconfiglib.split_expr(expression, operator))


def text_of(expression: Expression) -> str:
    """The expression as it stands in a Kconfig file."""
    return str(kconfiglib.expr_str(expression))


def symbols_in(expression: Expression) -> Iterator[Symbol]:
    """Every symbol that an expression names, constants left out, in a stable order."""
    found = [item for item in kconfiglib.expr_items(expression) if is_symbol(item)]
    yield from sorted(found, key=lambda item: str(item.name))


def place_of(thing: Symbol | Choice) -> str:
    """``file:line`` of the first definition."""
    node = thing.nodes[0]
    return f"{node.filename}:{node.linenr}"


def selectors_of(dependency: Expression, *, active: bool) -> list[tuple[str, Expression]]:
    """Who selects or implies, out of ``rev_dep`` or ``weak_rev_dep``: names with the whole condition.

    ``active`` keeps those that do so just now.
    """
    found = []
    for term in split(dependency, OR):
        first = split(term, AND)[0]
        if is_symbol(first) and (value_of(term) > 0 or not active):
            found.append((str(first.name), term))
    return sorted(found, key=lambda pair: pair[0])
