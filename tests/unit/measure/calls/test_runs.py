# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
from pathlib import Path

import pytest

from unilinux.core.errors import VerifyError, VmError
from unilinux.measure.calls.ladder import CALLS, RUNGS
from unilinux.measure.calls.runs import CallRun, call_costs, read_calls

SOURCE = Path(__file__).parents[4] / "apps" / "ladder" / "ladder.c"
LINES = (
    "unilinux: starting /bin/ladder",
    "ladder: ring 0, entry lean",
    *(f"ladder: {call}: {100 * number} calls, {8500 * number} ns" for number, call in enumerate(CALLS, start=1)),
    "ladder: done",
    "unilinux: init exited with status 0",
)


def run(time_ns: float = 100, *, ring: int = 0, entry: str = "lean") -> CallRun:
    return CallRun(ring=ring, entry=entry, times_ns=dict.fromkeys(CALLS, time_ns))


def test_lines_of_the_application_are_read() -> None:
    found = read_calls(LINES)
    assert (found.ring, found.entry) == (0, "lean")
    assert found.times_ns == dict.fromkeys(CALLS, 85.0)


def test_the_application_measures_what_is_expected() -> None:
    table = SOURCE.read_text().partition("calls[] = {")[2].partition("};")[0]
    assert re.findall(r"(?:BOTH|LIBC)\((\w+)\)", table) == list(CALLS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINES[1], "did not measure"),
        (LINES[3], "did not measure what it should: getppid_libc"),
        ("ladder: done", "did not measure what it should: no end"),
    ],
)
def test_a_missing_line_is_an_error(line: str, message: str) -> None:
    with pytest.raises(VmError, match=message):
        read_calls(other for other in LINES if other != line)


def test_an_unknown_call_is_an_error() -> None:
    with pytest.raises(VmError, match="sched_yield"):
        read_calls((*LINES[:4], "ladder: sched_yield: 10 calls, 10 ns", *LINES[4:]))


def test_a_complaint_of_the_application_is_shown() -> None:
    with pytest.raises(VmError, match="ladder: bind: Address not available"):
        read_calls((*LINES[:4], "ladder: bind: Address not available"))


@pytest.mark.parametrize("rung", RUNGS)
def test_a_run_on_its_rung_is_fine(rung: object) -> None:
    for one in RUNGS:
        found = run(ring=one.ring, entry=one.syscall)
        if one is rung:
            found.require(one)
        else:
            with pytest.raises(VerifyError, match=f"ran in ring {one.ring} with system calls by {one.syscall}"):
                found.require(next(other for other in RUNGS if other is rung))


def test_costs_join_one_count_with_the_spread_of_times() -> None:
    counted = {rung.name: run(10 * number) for number, rung in enumerate(RUNGS, start=1)}
    timed = [{rung.name: run(time) for rung in RUNGS} for time in (30, 10, 20)]
    cost = call_costs(counted, timed)["tcp"]["gate"]
    assert cost.instructions == 30
    assert cost.time_ns is not None
    assert (cost.time_ns.median, cost.time_ns.least, cost.time_ns.most) == (20, 10, 30)


@pytest.mark.parametrize("coarse", [0, -1])
def test_a_clock_that_is_too_coarse_gives_no_time(coarse: float) -> None:
    counted = {rung.name: run() for rung in RUNGS}
    timed = [{rung.name: run(time) for rung in RUNGS} for time in (30, coarse, 20)]
    assert call_costs(counted, timed)["tcp"]["gate"].time_ns is None
