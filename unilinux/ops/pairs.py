# SPDX-License-Identifier: GPL-2.0-only
"""Two measurements of the same things, name by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def merged_order(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The names of both, each once: what only the second has follows what it follows there.

    >>> merged_order(["firmware", "entry", "pid1"], ["firmware", "decompression", "pid1"])
    ['firmware', 'decompression', 'entry', 'pid1']
    """
    order = list(first)
    position = 0
    for name in second:
        if name in order:
            position = order.index(name) + 1
        else:
            order.insert(position, name)
            position += 1
    return order


def paired(was: Mapping[str, int], now: Mapping[str, int]) -> list[tuple[str, int | None, int | None]]:
    """All names of both, in their order, with both values."""
    return [(name, was.get(name), now.get(name)) for name in merged_order(list(was), list(now))]


def pairs_document(was: Mapping[str, int], now: Mapping[str, int]) -> list[dict[str, Any]]:
    """The same as plain JSON data; null where one has no such thing."""
    return [{"name": name, "a": a, "b": b} for name, a, b in paired(was, now)]
