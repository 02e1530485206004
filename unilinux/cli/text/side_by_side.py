# SPDX-License-Identifier: GPL-2.0-only
"""Two measurements in one table."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from unilinux.measure.boot.stages import Stages
from unilinux.ops.pairs import merged_order
from unilinux.report.tables import Column, show_table

_Values = Callable[[int, str], int | None]


def stages_table(names: tuple[str, str], boots: tuple[Stages, Stages]) -> str:
    """The stages of two boots: instructions of each and since reset; exits and memory in use where they are known."""
    spans = [{stage.name: stage for stage in boot.stages} for boot in boots]

    def of_stage(field: str) -> _Values:
        return lambda index, stage: getattr(spans[index].get(stage), field, None)

    columns = [("", of_stage("spent")), (", since reset", of_stage("instructions"))]
    if any(boot.exits for boot in boots):
        columns.append((", exits", lambda index, stage: boots[index].exits_in(stage)))
    if any(stage.memory_bytes is not None for boot in boots for stage in boot.stages):
        columns.append((", bytes in use", of_stage("memory_bytes")))
    rows = [
        [stage, *(_number(value(index, stage)) for _, value in columns for index in range(len(boots)))]
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


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """A table as text; all columns but the first are numbers where ``right``."""
    stream = io.StringIO()
    show_table([Column(head, right=right and index > 0) for index, head in enumerate(heads)], rows, stream)
    return stream.getvalue()


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
