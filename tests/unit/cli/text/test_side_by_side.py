# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace

from tests.unit.ops.measured import BOOT, EXITS
from unilinux.cli.text.side_by_side import numbers_table, stages_table
from unilinux.measure.boot.stages import Stage, Stages
from unilinux.ops.pairs import merged_order, pairs_document

OTHER = Stages(
    stages=(Stage("firmware", 30, 30), Stage("decompression", 700, 670), Stage("pid1", 1_900, 1_200)),
    initcalls=(),
    functions=(),
    executed=(),
    total=2_000,
    vcpus=(2_000,),
)


def test_what_only_the_second_has_follows_what_it_follows_there() -> None:
    assert merged_order(["a", "b", "c"], ["x", "b", "y", "z"]) == ["x", "a", "b", "y", "z", "c"]
    assert merged_order([], ["a", "b"]) == ["a", "b"]


def test_stages_of_two_boots_share_their_rows() -> None:
    lines = stages_table(("ours", "theirs"), (BOOT, OTHER)).splitlines()
    assert lines[0].split("  ")[0] == "stage"
    assert [line.split()[0] for line in lines[1:]] == ["firmware", "decompression", "pid1", "main"]
    assert lines[1].split() == ["firmware", "4,748", "30", "4,748", "30"]
    assert lines[2].split() == ["decompression", "670", "700"]


def test_exits_are_shown_where_they_were_counted() -> None:
    lines = stages_table(("ours", "theirs"), (replace(BOOT, exits=EXITS), OTHER)).splitlines()
    assert lines[0].endswith("ours, exits  theirs, exits")
    assert lines[1].split() == ["firmware", "4,748", "30", "4,748", "30", "71"]
    assert lines[4].split() == ["main", "100,000", "5,600,000", "0"]


def test_memory_is_shown_where_it_is_known() -> None:
    lines = stages_table(("ours", "theirs"), (BOOT.with_memory({"pid1": 12_000_000}), OTHER)).splitlines()
    assert lines[0].endswith("ours, bytes in use  theirs, bytes in use")
    assert lines[3].split()[-1] == "12,000,000"


def test_numbers_tell_their_difference() -> None:
    lines = numbers_table("part", ("a", "b"), [("vmlinux", 1000, 1600), ("bzImage", 5, None)]).splitlines()
    assert lines[1].split() == ["vmlinux", "1,000", "1,600", "+600"]
    assert lines[2].split() == ["bzImage", "5", "-5"]


def test_what_one_lacks_is_null() -> None:
    assert pairs_document({"x": 1}, {"y": 2}) == [{"name": "y", "a": None, "b": 2}, {"name": "x", "a": 1, "b": None}]
