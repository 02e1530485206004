# SPDX-License-Identifier: GPL-2.0-only
"""What was measured, as JSON data and as text for people."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from unilinux.cli.text.side_by_side import stages_table
from unilinux.measure.boot.boots import Wall
from unilinux.measure.boot.exits import by_cause
from unilinux.measure.boot.stages import MOST_SHOWN, Cost, Stages
from unilinux.ops.boot import BootMeasurement
from unilinux.ops.size import ImageSize, SizeComparison
from unilinux.ops.stock import StockComparison
from unilinux.report.tables import Column, show_table

_MOST_ROWS = 20


def boot_text(found: BootMeasurement) -> str:
    """The stages, what they consist of, whether repeats agree, the wall time, and a stock kernel beside."""
    subject, counted, wall = found.subject, found.counted, found.wall
    head = (
        f"{subject['image']} on {subject['machine']} with {subject['memory_mib']} MiB: "
        f"Linux {subject['kernel']}, ring {subject['ring']}, syscall {subject['syscall']}"
    )
    parts = [head, _stages_table(counted)]
    if counted.exits:
        until = f"exits to {found.exact_until}"
        heads = ("exits caused by", until, "to the end", "most of them in")
        parts.append(_table(heads, _exit_rows(counted, found.exact_until)))
    if counted.initcalls:
        parts.append(_table(("initcall", "instructions", "level"), _cost_rows(counted.initcalls, with_level=True)))
    if len(counted.functions) > 1:
        parts.append(_table(("function, up to PID 1", "instructions"), _cost_rows(counted.functions)))
    parts.append("\n".join((_agreement(found), *found.disagreements, _wall_text(wall))))
    whole = "\n".join(parts)
    return f"{whole}\n\n{stock_text(found.name, counted, found.against)}" if found.against else whole


def size_text(found: ImageSize) -> str:
    """Bytes by artefact, section, folder of the source, and object; and what differs from another image's."""
    size, parts = found.size, found.parts
    head = f"{found.name}: {size.loaded:,} bytes are loaded, {size.zeroed:,} more are zeroed"
    tables = "\n".join(
        (
            head,
            _table(("part", "bytes"), _byte_rows(parts)),
            _table(("section", "bytes"), _byte_rows(size.sections)),
            _table(("folder", "bytes"), _byte_rows(size.subsystems())),
            _table(("object", "bytes"), _byte_rows(size.objects)),
        )
    )
    return f"{tables}\n{size_comparison_text(found.against)}" if found.against else tables


def size_comparison_text(found: SizeComparison) -> str:
    """What differs from the other image: sections, objects, symbols, configuration."""
    was, now, config = found.was, found.now, found.config
    parts = [f"against {found.name}, which loads {was.loaded:,} bytes: {now.loaded - was.loaded:+,}"]
    for kind, differing in found.differences.items():
        rows = [(one, f"{after - before:+,}", f"{before:,}", f"{after:,}") for one, before, after in differing]
        if rows:
            parts.append(_table((kind, "difference", "was", "is"), rows[:_MOST_ROWS]))
    shown = list(config[:_MOST_ROWS])
    if len(config) > len(shown):
        shown.append(f"and {len(config) - len(shown)} more symbols")
    parts.append("\n".join(["configuration:", *(f"  {line}" for line in shown or ["the same"])]))
    return "\n".join(parts)


def _stages_table(counted: Stages) -> str:
    heads: tuple[str, ...] = ("stage", "instructions", "since reset")
    rows: list[tuple[str, ...]] = [
        (stage.name, f"{stage.spent:,}", f"{stage.instructions:,}") for stage in counted.stages
    ]
    if counted.exits:
        heads = (*heads, "exits")
        sums = [counted.exits_in(stage.name) or 0 for stage in counted.stages]
        rows = [(*row, f"{count:,}") for row, count in zip(rows, sums, strict=True)]
    if all(stage.memory_bytes is None for stage in counted.stages):
        return _table(heads, rows)
    in_use = ["" if stage.memory_bytes is None else f"{stage.memory_bytes:,}" for stage in counted.stages]
    return _table((*heads, "bytes in use"), [(*row, cell) for row, cell in zip(rows, in_use, strict=True)])


def _exit_rows(counted: Stages, until: str) -> list[list[str]]:
    """Each cause with its exits since reset: up to a stage and to the end; and the stage that has most of the former.

    What comes later need not be the same each time: an idle server's timer goes on.
    """
    sums, whole = counted.exits_to(until), by_cause(counted.exits)
    names = [stage.name for stage in counted.stages]
    exact = names[: names.index(until) + 1]
    rows = []
    for cause in (*sums, *(name for name in whole if name not in sums)):
        stage = max(exact, key=lambda name: counted.exits.get(name, {}).get(cause, 0)) if cause in sums else ""
        rows.append([cause, f"{sums.get(cause, 0):,}", f"{whole[cause]:,}", stage])
    return rows[:_MOST_ROWS]


def _agreement(found: BootMeasurement) -> str:
    runs = found.wall.runs
    if runs == 1:
        return "one counted boot"
    if found.disagreements:
        return f"{runs} counted boots do NOT agree up to {found.exact_until}:"
    return f"{runs} counted boots agree to the instruction, up to {found.exact_until}"


def _wall_text(wall: Wall) -> str:
    spread = f", {wall.least_s:.2f} to {wall.most_s:.2f} s in {wall.runs} runs" if wall.runs > 1 else ""
    return f"wall time under plain TCG, as busy as this host is: {wall.median_s:.2f} s{spread}"


def _cost_rows(costs: Sequence[Cost], *, with_level: bool = False) -> list[list[str]]:
    return [[cost.name, f"{cost.instructions:,}", *([cost.level] if with_level else [])] for cost in costs[:MOST_SHOWN]]


def _byte_rows(values: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in list(values.items())[:_MOST_ROWS]]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The numbers are to the right; a column behind them is a remark."""
    numbers = {"instructions", "since reset", "bytes", "bytes in use", "exits", "to the end", "difference", "was", "is"}
    stream = io.StringIO()
    show_table([Column(head, right=head in numbers or head.startswith("exits to ")) for head in heads], rows, stream)
    return stream.getvalue()


def stock_text(ours: str, boot: Stages, other: StockComparison) -> str:
    """Both boots in one table, and how they compare."""
    stock = other.stock.kernel
    lines = [
        f"against {other.stock.label} ({other.stock.summary}), which is told: {' '.join(other.stock.boot.cmdline)}",
        stages_table((ours, stock.name), (boot, other.boot)).rstrip("\n"),
    ]
    if not other.boot.initcalls:
        lines.append("(its symbols aren't known: the stages of its kernel can't be told apart, and are all in pid1)")
    times, factors, exits = [], [], []
    for stage in ("pid1", "main"):
        here, there = boot.instructions(stage), other.boot.instructions(stage)
        if here and there:
            factors.append(f"{there / here:.0f} times to {stage}")
            sums = [sum(one.exits_to(stage).values()) for one in (boot, other.boot)]
            exits += [f"{sums[0]:,} and {sums[1]:,} to {stage}"] if all(sums) else []
    if factors:
        lines.append(f"instructions since reset: {', '.join(factors)}")
    if exits:
        lines.append(f"exits since reset: {', '.join(exits)}")
    for name, wall in ((ours, other.our_wall), (stock.name, other.wall)):
        times.append(f"{name} {wall.median_s:.2f} s ({wall.least_s:.2f} to {wall.most_s:.2f})")
    lines.append(f"wall time under plain TCG until init starts the application: {', '.join(times)}")
    return "\n".join(lines)
