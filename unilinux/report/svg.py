# SPDX-License-Identifier: GPL-2.0-only
"""Plots as SVG text: stacked bars, a treemap, lines. No script, no font and no colour from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito's palette, told apart with any colour vision, then lighter tones of it.
COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999",
    "#66aad1", "#f0c566", "#66c5ab", "#e0afca", "#9ad2f2", "#e69e66", "#f6ef8e", "#c2c2c2",
    "#004a74", "#8f6300", "#00634a", "#7f4b69",
)  # fmt: skip
_ROW = 34
# The height of letters: narrow screens shrink the plot and need large ones to be read. A line takes 5/4 of that.
_NARROW, _WIDE = 24.0, 10.5
_LETTER_WIDTH = 0.55  # of its height, about
_PADDING = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar: parts by name, in order."""

    label: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    height: float


def short_number(value: float) -> str:
    """``1,234`` as 1.2k, ``5,000,000`` as 5.00M."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            digits = 2 if value < 10 * limit else 1 if value < 100 * limit else 0
            return f"{value / limit:.{digits}f}{letter}"
    return f"{value:g}"


def stacked_bars(bars: Sequence[Bar], *, unit: str, title: str) -> str:
    """Horizontal stacked bars on one scale, with a legend; each part tells its number when pointed at."""
    names = list(dict.fromkeys(name for bar in bars for name in bar.parts))
    longest = max((sum(bar.parts.values()) for bar in bars), default=0) or 1
    width = 720
    shapes = []
    for row, bar in enumerate(bars):
        y = row * 2 * _ROW
        total = sum(bar.parts.values())
        shapes.append(_text(0, y + 18, f"{bar.label}: {short_number(total)} {unit}"))
        x = 0.0
        for name, value in bar.parts.items():
            size = value / longest * width
            shapes.append(_rectangle(_Box(x, y + 26, size, _ROW - 6), _colour(names, name), f"{name}: {value:,.0f}"))
            x += size
    drawing = _svg(width, len(bars) * 2 * _ROW, shapes, title)
    return drawing + _legend([(name, _colour(names, name)) for name in names])


def treemap(parts: Mapping[str, float], *, unit: str, title: str) -> str:
    """Rectangles whose areas are the values, largest first, named where the name fits."""
    width, height = 720, 420
    values = {name: value for name, value in sorted(parts.items(), key=lambda part: -part[1]) if value > 0}
    shapes = []
    for (name, value), box, colour in zip(
        values.items(), _squarified(list(values.values()), _Box(0, 0, width, height)), _cycle(len(values)), strict=True
    ):
        shapes.append(_rectangle(box, colour, f"{name}: {value:,.0f} {unit}"))
        shapes += _label(box, name, short_number(value))
    return _svg(width, height, shapes, title)


def lines(series: Mapping[str, Sequence[float]], *, ticks: Sequence[str], unit: str, title: str) -> str:
    """Lines over the same ticks, from zero up."""
    width, height, left, top_margin, bottom = 720, 290, 88, 22, 58
    top = max((value for values in series.values() for value in values), default=0) or 1
    count = max((len(values) for values in series.values()), default=0)
    step = (width - left - 10) / max(1, count - 1)
    shapes = []
    for part in range(5):
        y = (height - bottom) * (1 - part / 4) + top_margin
        shapes.append(f'<line x1="{left}" y1="{y:.1f}" x2="{width}" y2="{y:.1f}" class="grid"/>')
        shapes.append(_text(0, y + 5, short_number(top * part / 4)))
    for name, values in series.items():
        colour = _colour(list(series), name)
        points = [
            (left + step * i, (height - bottom) * (1 - value / top) + top_margin) for i, value in enumerate(values)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="3"/>')
        for (x, y), value, tick in zip(points, values, ticks, strict=False):
            tip = escape(f"{name}, {tick}: {value:,.0f} {unit}")
            shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"><title>{tip}</title></circle>')
    if ticks:
        shapes.append(_text(left, height - 2, ticks[0]))
        shapes.append(f'<text x="{width}" y="{height - 2}" text-anchor="end">{escape(ticks[-1])}</text>')
    return _svg(width, height, shapes, title) + _legend([(name, _colour(list(series), name)) for name in series])


def _label(box: _Box, name: str, number: str) -> list[str]:
    """Name and number in a box, as far as they fit; each line is hidden where its letters would be too large."""
    words = [name, number] if _fits(box, name, 1, _WIDE) and _fits(box, number, 2, _WIDE) else [name]
    if not _fits(box, name, 1, _WIDE):
        return []
    spans = []
    for row, word in enumerate(words, start=1):
        small = "" if _fits(box, word, row, _NARROW) and _fits(box, name, 1, _NARROW) else ' class="small"'
        spans.append(f'<tspan x="{box.x + _PADDING:.1f}" dy="{1.25 if row > 1 else 1}em"{small}>{escape(word)}</tspan>')
    return [f'<text y="{box.y + 3:.1f}">{"".join(spans)}</text>']


def _fits(box: _Box, word: str, row: int, letter: float) -> bool:
    wide = len(word) * _LETTER_WIDTH * letter + 2 * _PADDING
    return wide < box.width and row * 1.25 * letter + 3 < box.height


def _squarified(values: list[float], box: _Box) -> list[_Box]:
    """Split a box by area, alternating: each time the larger half of what is left."""
    if not values:
        return []
    if len(values) == 1:
        return [box]
    total = sum(values)
    split, first = 1, values[0]
    while split < len(values) - 1 and first + values[split] <= total / 2:
        first += values[split]
        split += 1
    share = first / total
    if box.width >= box.height:
        one = _Box(box.x, box.y, box.width * share, box.height)
        other = _Box(box.x + one.width, box.y, box.width - one.width, box.height)
    else:
        one = _Box(box.x, box.y, box.width, box.height * share)
        other = _Box(box.x, box.y + one.height, box.width, box.height - one.height)
    return [*_squarified(values[:split], one), *_squarified(values[split:], other)]


def _colour(names: Sequence[str], name: str) -> str:
    return COLOURS[names.index(name) % len(COLOURS)]


def _cycle(count: int) -> list[str]:
    return [COLOURS[index % len(COLOURS)] for index in range(count)]


def _rectangle(box: _Box, colour: str, tip: str) -> str:
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    return f'<rect {place} fill="{colour}"><title>{escape(tip)}</title></rect>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(width: int, height: int, shapes: Sequence[str], title: str) -> str:
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    return f"{head}{''.join(shapes)}</svg>"


def _legend(entries: Sequence[tuple[str, str]]) -> str:
    items = (f'<li><i style="background:{colour}"></i>{escape(name)}</li>' for name, colour in entries)
    return f'<ul class="legend">{"".join(items)}</ul>'
