# SPDX-License-Identifier: GPL-2.0-only
"""What sessions of databases have in common."""

from __future__ import annotations

from collections.abc import Iterable

Rows = tuple[tuple[str, ...], ...]
"""What a statement brings: each value as text."""

NULL = "NULL"
"""What stands for a value that isn't there."""


class Refused(Exception):  # noqa: N818 - it is the server's answer, not a failure of ours
    """The server says no; the message is its own."""


def texts(rows: Iterable[Iterable[object]] | None) -> Rows:
    """Rows of a library whose values are texts or None."""
    return tuple(tuple(NULL if value is None else str(value) for value in row) for row in rows or ())
