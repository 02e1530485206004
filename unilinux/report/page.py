# SPDX-License-Identifier: GPL-2.0-only
"""The report as one HTML file: boots, sizes, history; readable without a network, on wide and narrow screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from unilinux.measure.boot.stages import MOST_SHOWN, Cost, Stages, last_exact_stage
from unilinux.measure.budget.history import Record
from unilinux.measure.size.size import PADDING, Size
from unilinux.ops.report import MeasuredImage
from unilinux.report.svg import Bar, lines, short_number, stacked_bars, treemap

_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; font-size: 1.25rem; } h3 { font-size: 1.05rem; }
h4 { margin: .5rem 0; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 10.5px system-ui, sans-serif; fill: currentColor; }
svg rect { stroke: Canvas; stroke-width: 1; }
figure.map rect { fill-opacity: .45; }
.grid { stroke: var(--line); }
figure { margin: 1rem 0; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; padding: 0; font-size: .9rem; }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; }
.columns { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
td, th { padding: .15rem .8rem .15rem 0; border-bottom: 1px solid var(--line); text-align: left; }
td.number, th.number { text-align: right; white-space: nowrap; }
td:first-child { overflow-wrap: anywhere; }
@media (max-width: 60rem) { svg text { font-size: 15px; } svg .small { display: none; } }
@media (max-width: 30rem) { body { padding: .6rem; font-size: 15px; } svg text { font-size: 24px; } }
"""


def render_page(title: str, images: Sequence[MeasuredImage], history: Sequence[Record] = ()) -> str:
    """The page for some images and their history."""
    sections = [_boot_section(images)]
    sections += [_size_section(image.label, image.size) for image in images if image.size]
    if history:
        sections.append(_history_section(history))
    name = escape(title)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n'
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _boot_section(images: Sequence[MeasuredImage]) -> str:
    bars = [Bar(s.label, {stage.name: stage.spent for stage in s.boot.stages}) for s in images]
    plot = stacked_bars(bars, unit="instructions", title="Boot stages")
    parts = ["<h2>Boot</h2>", f'<figure class="boot">{plot}</figure>']
    exits = [Bar(f"{s.label} to {stage}", causes) for s in images if (causes := s.boot.exits_to(stage := _exact(s)))]
    if exits:
        plot = stacked_bars(exits, unit="exits", title="Exits by cause")
        parts += ["<h3>Exits to the hypervisor</h3>", f'<figure class="exits">{plot}</figure>']
    for image in images:
        tables = [("Stages", _stages_table(image.boot))]
        if causes := image.boot.exits_to(_exact(image)):
            heads = ("exits caused by", f"to {_exact(image)}")
            tables.append(("Causes of exits", _table(heads, list(causes.items())[:MOST_SHOWN])))
        if image.boot.initcalls:
            costs = _costs(image.boot.initcalls)
            tables.append(("Most expensive initcalls", _table(("initcall", "instructions"), costs)))
        if len(image.boot.functions) > 1:
            costs = _costs(image.boot.functions)
            tables.append(("Most expensive functions, up to PID 1", _table(("function", "instructions"), costs)))
        columns = "".join(f"<section><h4>{name}</h4>{table}</section>" for name, table in tables)
        parts.append(f'<h3>{escape(image.label)}</h3>\n<div class="columns">{columns}</div>')
    return "\n".join(parts)


def _exact(image: MeasuredImage) -> str:
    return last_exact_stage(image.boot)


def _stages_table(boot: Stages) -> str:
    rows: list[tuple[str | int, ...]] = [(stage.name, stage.spent, stage.instructions) for stage in boot.stages]
    if not boot.exits:
        return _table(("stage", "instructions", "since reset"), rows)
    rows = [(*row, boot.exits_in(stage.name) or 0) for row, stage in zip(rows, boot.stages, strict=True)]
    return _table(("stage", "instructions", "since reset", "exits"), rows)


def _size_section(label: str, size: Size) -> str:
    parts = {name: count for name, count in size.subsystems(2).items() if name != PADDING}
    plot = treemap(_grouped(parts), unit="bytes", title="Bytes by part")
    total = f"{short_number(size.loaded)} bytes are loaded, of which {short_number(size.objects.get(PADDING, 0))} "
    total += f"are padding and tables; {short_number(size.zeroed)} more are zeroed"
    rows = list(size.objects.items())[:MOST_SHOWN]
    return "\n".join(
        (
            f"<h2>Size of {escape(label)}</h2>",
            f"<p>{total}.</p>",
            f'<figure class="map">{plot}</figure>',
            _table(("object", "bytes"), rows),
        )
    )


def _history_section(history: Sequence[Record]) -> str:
    parts = ["<h2>History</h2>"]
    for app in dict.fromkeys(record.app for record in history):
        records = [record for record in history if record.app == app]
        ticks = [_tick(record) for record in records]
        boots = {"all stages": [float(sum(record.stages.values())) for record in records]}
        sizes = {
            name: [float(record.bytes.get(name, 0)) for record in records]
            for name in dict.fromkeys(name for record in records for name in record.bytes)
        }
        parts += _history_plot(app, "instructions", boots, ticks)
        counted = [record for record in records if record.exits]  # older measurements have none
        exits = {"all causes": [float(sum(record.exits.values())) for record in counted]}
        if counted:
            parts += _history_plot(app, "exits", exits, [_tick(record) for record in counted])
        if sizes:
            parts += _history_plot(app, "bytes", sizes, ticks)
    return "\n".join(parts)


def _history_plot(app: str, unit: str, series: Mapping[str, Sequence[float]], ticks: Sequence[str]) -> list[str]:
    plot = lines(series, ticks=ticks, unit=unit, title=f"{app}: {unit} over time")
    return [f"<h3>{escape(app)}: {unit}</h3>", f'<figure class="history">{plot}</figure>']


def _tick(record: Record) -> str:
    return f"{record.when[:10]} {record.revision[:8]}"


def _grouped(parts: Mapping[str, int], least_share: float = 0.004) -> dict[str, float]:
    """Small parts together, so that the treemap can be read."""
    least = least_share * sum(parts.values())
    large = {name: float(value) for name, value in parts.items() if value >= least}
    rest = sum(value for value in parts.values() if value < least)
    return {**large, "others": float(rest)} if rest else large


def _costs(costs: Sequence[Cost]) -> list[tuple[str, int]]:
    return [
        (f"{cost.name} ({cost.level})" if cost.level else cost.name, cost.instructions) for cost in costs[:MOST_SHOWN]
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    kinds = ("", *(' class="number"' for _ in heads[1:]))
    head = "".join(f"<th{kind}>{escape(text)}</th>" for kind, text in zip(kinds, heads, strict=True))
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: str | int) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(value)}</td>"
