# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json

import pytest

from unilinux.measure.calls.ladder import CALLS, GROUND, RUNGS, CallCost, Ladder, Spread, Throughput
from unilinux.report.ladder import remarks, render

TOP = RUNGS[-1]


def spread(*values: float) -> Spread:
    return Spread.of(values)


def costs(*instructions: float, times: tuple[Spread | None, ...] = (None,) * 4) -> dict[str, CallCost]:
    return {
        rung.name: CallCost(instructions=count, time_ns=time)
        for rung, count, time in zip(RUNGS, instructions, times, strict=True)
    }


def rates(*spreads: Spread) -> dict[str, Throughput]:
    return {rung.name: Throughput(requests=400, per_minstr=one) for rung, one in zip(RUNGS, spreads, strict=True)}


TIMES = (spread(300, 310, 320), spread(299, 305, 315), spread(200, 205, 210), spread(90, 95, 100))
LADDER = Ladder(
    kernel="6.12.117",
    profile="server",
    machine="microvm",
    calls={
        "getppid": costs(200, 199, 150, 80, times=TIMES),
        "page_fault": costs(1000, 1000, 998, 1010),
        "fork_exit": costs(1000, 1000, 1100, 900, times=(TIMES[0],) * 4),
    },
    throughput={
        "nginx": rates(spread(10, 10.1, 10.2), spread(10, 10.05, 10.1), spread(10.3, 10.35), spread(11.1, 11.2)),
        "redis": rates(spread(20), spread(20.1), spread(19), spread(19.5, 20.4)),
    },
)


def test_rungs_differ_and_only_the_ground_is_ring_3() -> None:
    assert len({(rung.ring, rung.syscall) for rung in RUNGS}) == len(RUNGS)
    assert [rung.name for rung in RUNGS] == ["ring3_trap", "ring0_trap", "gate", "lean"]
    assert [rung for rung in RUNGS if rung.ring == 3] == [GROUND]


def test_a_spread_has_the_median_and_the_ends() -> None:
    assert spread(3, 1, 2, 9) == Spread(median=2.5, least=1, most=9, runs=4)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [((1, 2), (2, 3), True), ((1, 2), (2.1, 3), False), ((1, 9), (4, 5), True), ((4, 5), (1, 3), False)],
)
def test_spreads_overlap(one: tuple[float, ...], other: tuple[float, ...], expected: bool) -> None:
    assert spread(*one).overlaps(spread(*other)) is expected
    assert spread(*other).overlaps(spread(*one)) is expected


def test_shares_are_of_the_ground() -> None:
    assert LADDER.saved("getppid", TOP) == pytest.approx(0.6)
    assert LADDER.saved("page_fault", TOP) == pytest.approx(-0.01)
    assert LADDER.saved("getppid", GROUND) == 0
    assert LADDER.gained("nginx", RUNGS[2]) == pytest.approx(10.325 / 10.1 - 1)


def test_the_document_has_the_promised_keys() -> None:
    document = json.loads(json.dumps(LADDER.document()))
    assert document["calls"]["getppid"]["lean"]["instructions"] == 80
    assert document["calls"]["getppid"]["lean"]["tcg_ns"] == 95
    assert document["calls"]["getppid"]["ring3_trap"]["tcg_ns_most"] == 320
    assert document["calls"]["page_fault"]["gate"] == {
        "instructions": 998.0,
        "tcg_ns": None,
        "tcg_ns_least": None,
        "tcg_ns_most": None,
    }
    assert document["throughput"]["nginx"]["lean"] == {
        "requests_per_minstr": 11.15,
        "least": 11.1,
        "most": 11.2,
        "requests": 400,
        "runs": 2,
    }
    assert document["rungs"]["lean"] == {"ring": 0, "syscall": "lean"}


def test_tables_are_markdown_of_one_width() -> None:
    lines = [line for line in render(LADDER).splitlines() if line.startswith("|")]
    calls, servers = lines[:5], lines[5:]
    assert len(servers) == 4
    for table in (calls, servers):
        assert len({len(line) for line in table}) == 1
        assert {line.count("|") for line in table} == {7}
    assert calls[1].startswith("| :--")
    assert [cell.strip() for cell in calls[2].strip("|").split("|")] == [
        CALLS["getppid"], "200 (310)", "199 (305)", "150 (205)", "80 (95)", "60.0 %",
    ]  # fmt: skip
    assert "1,010 (-)" in calls[3]
    assert [cell.strip() for cell in servers[2].strip("|").split("|")][-2:] == ["11.15 (11.10-11.20)", "+10.4 %"]


def said(about: str) -> str:
    return next(remark for remark in remarks(LADDER) if remark.startswith(about))


def test_ring_0_alone_is_said_not_to_pay() -> None:
    assert said("ring 0, SYSCALL,") == "ring 0, SYSCALL, against ring 3, SYSCALL: doesn't pay for any call."


def test_what_pays_what_does_not_and_what_costs_is_said_apart() -> None:
    assert said("ring 0, gate,") == (
        "ring 0, gate, against ring 3, SYSCALL: saves instructions in getppid (25.0 %); "
        "doesn't pay for page_fault (0.2 %); costs more in fork_exit (-10.0 %)."
    )


def test_a_gain_that_the_clock_does_not_show_is_said() -> None:
    assert said("ring 0, lean gate: by the clock") == (
        "ring 0, lean gate: by the clock nothing is gained for fork_exit: the times of the runs overlap."
    )


@pytest.mark.parametrize(
    ("about", "end"),
    [
        ("nginx, ring 0, SYSCALL", "-0.5 % requests for the same instructions, which is within the spread"),
        ("nginx, ring 0, gate", "+2.2 % requests for the same instructions: it pays."),
        ("redis, ring 0, SYSCALL", "+0.5 % requests for the same instructions: it doesn't pay."),
        ("redis, ring 0, gate", "-5.0 % requests for the same instructions: it costs."),
        ("redis, ring 0, lean gate", "which is within the spread of the runs: it doesn't pay."),
    ],
)
def test_servers_are_judged_by_gain_and_spread(about: str, end: str) -> None:
    assert end in said(about)


def test_parts_that_were_not_measured_are_left_out() -> None:
    calls_only = Ladder(kernel="6.12", profile="p", machine="m", calls=LADDER.calls, throughput={})
    text = render(calls_only)
    assert "getppid" in text
    assert "Requests" not in text
    assert "nginx" not in text
    servers_only = Ladder(kernel="6.12", profile="p", machine="m", calls={}, throughput=LADDER.throughput)
    assert "per call" not in render(servers_only)
