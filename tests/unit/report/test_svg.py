# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from unilinux.report.svg import Bar, lines, short_number, stacked_bars, treemap


def drawing(text: str) -> ET.Element:
    return ET.fromstring(text[: text.index("</svg>") + 6])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1234, "1.23k"), (5_049_000, "5.05M"), (267e6, "267M"), (2.048e9, "2.05G")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


def test_bars_share_one_scale() -> None:
    svg = drawing(stacked_bars([Bar("a", {"x": 30, "y": 70}), Bar("b", {"x": 50})], unit="i", title="t"))
    widths = [float(rectangle.attrib["width"]) for rectangle in svg.findall("rect")]
    assert widths == [216, 504, 360]


def test_the_areas_of_a_treemap_are_its_values() -> None:
    parts = {"a": 50.0, "b": 25.0, "c": 15.0, "d": 9.0, "e": 1.0, "none": 0.0}
    svg = drawing(treemap(parts, unit="bytes", title="t"))
    areas = [float(r.attrib["width"]) * float(r.attrib["height"]) for r in svg.findall("rect")]
    assert [round(100 * area / sum(areas)) for area in areas] == [50, 25, 15, 9, 1]


def test_lines_have_a_point_for_each_value() -> None:
    text = lines({"a": [1, 2, 3], "b": [3, 3, 3]}, ticks=["m", "t", "w"], unit="i", title="t")
    assert len(re.findall("<circle", text)) == 6
    assert "a, t: 2 i" in text


def test_nothing_to_draw_is_drawn() -> None:
    for text in (
        stacked_bars([], unit="", title=""),
        treemap({}, unit="", title=""),
        lines({}, ticks=[], unit="", title=""),
    ):
        assert drawing(text).tag == "svg"


def test_names_cannot_break_out() -> None:
    assert "<b>" not in treemap({"<b>x": 1.0}, unit="", title='"<b>')
