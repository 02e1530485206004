"""Wishes out of a TOML table, each with the line on which it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping

from unilinux.core.document import key_lines
from unilinux.kconfig.wish import Origin, Wish


def wishes_from_table(file: str, text: str, values: Mapping[str, str], *, table: str = "kernel") -> tuple[Wish, ...]:
    """The wishes of a TOML table ``SYMBOL = "value"  # why``, each with its line.

    ``text`` is the whole document, ``values`` the table as it was read from it,
    and ``file`` the name by which messages call it.
    """
    lines = key_lines(text)
    source = text.splitlines()
    wishes = []
    for symbol, value in values.items():
        line = lines.get(f"{table}.{symbol}")
        why = _comment(source[line - 1]) if line else ""
        wishes.append(Wish(symbol, value, Origin(file, line), why))
    return tuple(wishes)


def _comment(line: str) -> str:
    """What stands behind the ``#`` of ``KEY = "value"  # comment``."""
    found = re.match(r"""[^=]*=\s*(?:"(?:\\.|[^"\\])*"|'[^']*'|[^#"']*)\s*#\s*(.*)""", line)
    return found[1].strip() if found else ""
