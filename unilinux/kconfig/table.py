# SPDX-License-Identifier: GPL-2.0-only
"""Wishes out of a TOML table, each with the line on which it stands."""

from __future__ import annotations

import re

from unilinux.core.document import TextTable, key_lines
from unilinux.kconfig.wish import Origin, Wish


def wishes_from_table(file: str, text: str, values: TextTable, *, table: str = "kernel") -> tuple[Wish, ...]:
    """The wishes of a TOML table ``SYMBOL = "value"  # why``, each with its line.

    ``text`` is the whole document, ``values`` the table as it was read from it,
    and ``file`` the name by which messages call it. A table in the table, as
    ``[kernel."6.12"]``, has the wishes for the kernel of that name.
    """
    lines = key_lines(text)
    source = text.splitlines()

    def wish(path: str, symbol: str, value: str, kernel: str = "") -> Wish:
        line = lines.get(f"{path}.{symbol}")
        return Wish(symbol, value, Origin(file, line), _comment(source[line - 1]) if line else "", kernel)

    wishes: list[Wish] = []
    for name, value in values.items():
        if isinstance(value, str):
            wishes.append(wish(table, name, value))
        else:
            wishes += (wish(f"{table}.{name}", symbol, own, name) for symbol, own in value.items())
    return tuple(wishes)


def _comment(line: str) -> str:
    """What stands behind the ``#`` of ``KEY = "value"  # comment``."""
    found = re.match(r"""[^=]*=\s*(?:"(?:\\.|[^"\\])*"|'[^']*'|[^#"']*)\s*#\s*(.*)""", line)
    return found[1].strip() if found else ""
