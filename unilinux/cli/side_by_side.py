"""Two measurements in one table."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from unilinux.measure.boot.stages import Stages
from unilinux.report.tables import Column, show_table


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


def stages_table(names: tuple[str, str], boots: tuple[Stages, Stages]) -> str:
    """The stages of two boots: instructions of each, since reset, and memory in use where that is known."""
    spans = [{stage.name: stage for stage in boot.stages} for boot in boots]
    columns = [("", "spent"), (", since reset", "instructions")]
    if any(stage.memory_bytes is not None for boot in boots for stage in boot.stages):
        columns.append((", bytes in use", "memory_bytes"))
    rows = [
        [stage, *(_number(getattr(span.get(stage), field, None)) for _, field in columns for span in spans)]
        for stage in merged_order(list(spans[0]), list(spans[1]))
    ]
    return text_table(["stage", *(f"{name}{what}" for what, _ in columns for name in names)], rows)


def numbers_table(head: str, names: tuple[str, str], rows: Sequence[tuple[str, int | None, int | None]]) -> str:
    """Pairs of numbers and their difference; None where one of the two has no such thing."""
    cells = []
    for name, was, now in rows:
        difference = (now or 0) - (was or 0)
        cells.append([name, _number(was), _number(now), f"{difference:+,}"])
    return text_table([head, *names, "difference"], cells)


def paired(was: Mapping[str, int], now: Mapping[str, int]) -> list[tuple[str, int | None, int | None]]:
    """All names of both, in their order, with both values."""
    return [(name, was.get(name), now.get(name)) for name in merged_order(list(was), list(now))]


def pairs_document(was: Mapping[str, int], now: Mapping[str, int]) -> list[dict[str, Any]]:
    """The same as plain JSON data; null where one has no such thing."""
    return [{"name": name, "a": a, "b": b} for name, a, b in paired(was, now)]


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """A table as text; all columns but the first are numbers where ``right``."""
    stream = io.StringIO()
    show_table([Column(head, right=right and index > 0) for index, head in enumerate(heads)], rows, stream)
    return stream.getvalue()


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
