"""What was measured, as JSON data and as text for people."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from unilinux.measure.boot.boots import Wall
from unilinux.measure.boot.stages import DEAREST, Cost, Stages
from unilinux.measure.size.size import Size, differences
from unilinux.report.tables import Column, show_table

_MOST_ROWS = 20


def last_exact_stage(counted: Stages) -> str:
    """The stage up to which repeats must agree: a server hears nothing from outside before it listens."""
    return "ready" if counted.instructions("ready") is not None else "main"


def boot_document(subject: Mapping[str, Any], counted: Stages, differ: Sequence[str], wall: Wall) -> dict[str, Any]:
    """The boot task's answer. ``wall`` is until the exit, or a server's first answer."""
    return {
        **subject,
        **counted.document(),
        "repeats": {
            "runs": wall.runs,
            "exact_until": last_exact_stage(counted),
            "disagreements": list(differ),
        },
        "wall": {"accel": "tcg", **wall.document()},
    }


def boot_text(subject: Mapping[str, Any], counted: Stages, differ: Sequence[str], wall: Wall) -> str:
    """The same for people."""
    head = (
        f"{subject['image']} on {subject['machine']} with {subject['memory_mib']} MiB: "
        f"Linux {subject['kernel']}, ring {subject['ring']}, syscall {subject['syscall']}"
    )
    parts = [head, _stages_table(counted)]
    if counted.initcalls:
        parts.append(_table(("initcall", "instructions", "level"), _cost_rows(counted.initcalls, with_level=True)))
    if len(counted.functions) > 1:
        parts.append(_table(("function, up to PID 1", "instructions"), _cost_rows(counted.functions)))
    parts.append("\n".join((_agreement(counted, differ, wall.runs), *differ, _wall_text(wall))))
    return "\n".join(parts)


def size_text(name: str, size: Size, parts: Mapping[str, int]) -> str:
    """Bytes by artefact, section, folder of the source, and object."""
    head = f"{name}: {size.loaded:,} bytes are loaded, {size.zeroed:,} more are zeroed"
    return "\n".join(
        (
            head,
            _table(("part", "bytes"), _byte_rows(parts)),
            _table(("section", "bytes"), _byte_rows(size.sections)),
            _table(("folder", "bytes"), _byte_rows(size.subsystems())),
            _table(("object", "bytes"), _byte_rows(size.objects)),
        )
    )


def against_document(name: str, was: Size, now: Size, config: Sequence[str]) -> dict[str, Any]:
    """What differs from the image ``name``; ``config`` are changed symbols, a line each."""
    return {
        "image": name,
        "loaded": was.loaded,
        "zeroed": was.zeroed,
        "differences": {
            kind: [{"name": one, "was": before, "now": after} for one, before, after in found]
            for kind, found in _differences(was, now).items()
        },
        "config": list(config),
    }


def against_text(name: str, was: Size, now: Size, config: Sequence[str]) -> str:
    """The same for people."""
    parts = [f"against {name}, which loads {was.loaded:,} bytes: {now.loaded - was.loaded:+,}"]
    for kind, found in _differences(was, now).items():
        rows = [(one, f"{after - before:+,}", f"{before:,}", f"{after:,}") for one, before, after in found]
        if rows:
            parts.append(_table((kind, "difference", "was", "is"), rows[:_MOST_ROWS]))
    shown = list(config[:_MOST_ROWS])
    if len(config) > len(shown):
        shown.append(f"and {len(config) - len(shown)} more symbols")
    parts.append("\n".join(["configuration:", *(f"  {line}" for line in shown or ["the same"])]))
    return "\n".join(parts)


def _differences(was: Size, now: Size) -> dict[str, tuple[tuple[str, int, int], ...]]:
    return {
        "section": differences(was.sections, now.sections),
        "object": differences(was.objects, now.objects),
        "symbol": differences(was.symbols, now.symbols),
    }


def _stages_table(counted: Stages) -> str:
    heads = ("stage", "instructions", "since reset")
    rows = [(stage.name, f"{stage.spent:,}", f"{stage.instructions:,}") for stage in counted.stages]
    if all(stage.memory_bytes is None for stage in counted.stages):
        return _table(heads, rows)
    in_use = ["" if stage.memory_bytes is None else f"{stage.memory_bytes:,}" for stage in counted.stages]
    return _table((*heads, "bytes in use"), [(*row, cell) for row, cell in zip(rows, in_use, strict=True)])


def _agreement(counted: Stages, differ: Sequence[str], runs: int) -> str:
    if runs == 1:
        return "one counted boot"
    if differ:
        return f"{runs} counted boots do NOT agree up to {last_exact_stage(counted)}:"
    return f"{runs} counted boots agree to the instruction, up to {last_exact_stage(counted)}"


def _wall_text(wall: Wall) -> str:
    spread = f", {wall.least_s:.2f} to {wall.most_s:.2f} s in {wall.runs} runs" if wall.runs > 1 else ""
    return f"wall time under plain TCG, as busy as this host is: {wall.median_s:.2f} s{spread}"


def _cost_rows(costs: Sequence[Cost], *, with_level: bool = False) -> list[list[str]]:
    return [[cost.name, f"{cost.instructions:,}", *([cost.level] if with_level else [])] for cost in costs[:DEAREST]]


def _byte_rows(values: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in list(values.items())[:_MOST_ROWS]]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The numbers are to the right; a column behind them is a remark."""
    numbers = {"instructions", "since reset", "bytes", "bytes in use", "difference", "was", "is"}
    stream = io.StringIO()
    show_table([Column(head, right=head in numbers) for head in heads], rows, stream)
    return stream.getvalue()
