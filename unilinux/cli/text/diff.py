# SPDX-License-Identifier: GPL-2.0-only
"""In what two images differ."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.cli.text.side_by_side import numbers_table, stages_table, text_table
from unilinux.ops.diff import ImageDiff, byte_tables, config_pairs, exits_of
from unilinux.ops.pairs import paired

_MOST_ROWS = 20
_Rows = Sequence[tuple[str, int | None, int | None]]


def diff_text(found: ImageDiff) -> str:
    """Configurations, bytes and boots; of bytes, exits and initcalls only what differs."""
    first, second = found.first, found.second
    names = (first.label, second.label)
    pairs = config_pairs(first.finished.config, second.finished.config)
    parts = [f"{names[0]} and {names[1]}: {_counted(len(pairs), 'symbol differs', 'symbols differ')}"]
    if pairs:
        parts.append(text_table(("configuration", *names), pairs, right=False))
    for name, a, b in byte_tables(first, second):
        rows = [row for row in paired(a, b) if row[1] != row[2]]
        parts.append(numbers_table(f"bytes: {name}", names, _most_different(rows)) if rows else f"{name}: the same\n")
    if first.boot and second.boot:
        parts.append(stages_table(names, (first.boot, second.boot)))
        until, causes, others = exits_of(first.boot, second.boot)
        exits = [row for row in paired(causes, others) if row[1] != row[2]]
        if exits:
            parts.append(numbers_table(f"exits to {until}, caused by", names, _most_different(exits)))
        calls = [row for row in paired(first.initcalls, second.initcalls) if row[1] != row[2]]
        if calls:
            parts.append(numbers_table("initcall", names, _most_different(calls)))
    return "\n".join(parts)


def _most_different(rows: _Rows) -> _Rows:
    """Those with the largest differences, largest first."""
    return sorted(rows, key=lambda row: -abs((row[2] or 0) - (row[1] or 0)))[:_MOST_ROWS]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
