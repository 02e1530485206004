# SPDX-License-Identifier: GPL-2.0-only
"""The ladder for people: tables, and in words where another rung pays and where it doesn't.

The tables are Markdown, so that they can be copied into a document as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.measure.calls.ladder import CALLS, GROUND, RUNGS, CallCost, Ladder, Rung

# A rung that gains less than this share doesn't pay.
WORTH = 0.02

_METHOD = (
    "Instructions are those that the guest executes, loops included; they don't show what an instruction costs: "
    "SYSCALL and IRET take longer than others on hardware. Times are of QEMU's translator on this host."
)


def render(ladder: Ladder) -> str:
    """Tables and remarks."""
    parts = [
        f"Linux {ladder.kernel}, profile {ladder.profile}, machine {ladder.machine}, by ring and system call entry"
    ]
    if ladder.calls:
        parts.append("Guest instructions per call (in brackets: ns under TCG)\n\n" + _table(*_call_rows(ladder)))
    if ladder.throughput:
        parts.append("Requests per million guest instructions\n\n" + _table(*_throughput_rows(ladder)))
    parts.append("\n".join(f"- {remark}" for remark in remarks(ladder)))
    return "\n\n".join(parts)


def remarks(ladder: Ladder) -> tuple[str, ...]:
    """Where each rung pays and where it doesn't, out of the numbers alone."""
    upper = [rung for rung in RUNGS if rung is not GROUND]
    found: list[str] = []
    if ladder.calls:
        for rung in upper:
            found += [_calls_remark(ladder, rung), *_time_remark(ladder, rung)]
    found += [_throughput_remark(ladder, app, rung) for app in ladder.throughput for rung in upper]
    return (*found, _METHOD)


def _calls_remark(ladder: Ladder, rung: Rung) -> str:
    shares = sorted(((ladder.saved(call, rung), call) for call in ladder.calls), reverse=True)
    pays = [(share, call) for share, call in shares if share >= WORTH]
    hardly = [(share, call) for share, call in shares if abs(share) < WORTH]
    costs = [(share, call) for share, call in shares if share <= -WORTH]
    said = [f"saves instructions in {_listed(pays)}" if pays else "doesn't pay for any call"]
    if hardly and pays:
        said.append(f"doesn't pay for {_listed(hardly)}")
    if costs:
        said.append(f"costs more in {_listed(costs)}")
    return f"{rung.label}, against {GROUND.label}: {'; '.join(said)}."


def _listed(shares: Sequence[tuple[float, str]]) -> str:
    return ", ".join(f"{call} ({_percent(share)})" for share, call in shares)


def _time_remark(ladder: Ladder, rung: Rung) -> list[str]:
    """Calls that take fewer instructions but, by the clock, no less time."""
    unseen = []
    for call, costs in ladder.calls.items():
        time, ground = costs[rung.name].time_ns, costs[GROUND.name].time_ns
        if time is None or ground is None or ladder.saved(call, rung) < WORTH:
            continue
        if time.median >= ground.median or time.overlaps(ground):
            unseen.append(call)
    if not unseen:
        return []
    return [f"{rung.label}: by the clock nothing is gained for {', '.join(unseen)}: the times of the runs overlap."]


def _throughput_remark(ladder: Ladder, app: str, rung: Rung) -> str:
    gain = ladder.gained(app, rung)
    mine, ground = (ladder.throughput[app][one.name].per_minstr for one in (rung, GROUND))
    text = f"{app}, {rung.label}: {_percent(gain, sign=True)} requests for the same instructions"
    if mine.overlaps(ground):
        return f"{text}, which is within the spread of the runs: it doesn't pay."
    if gain <= -WORTH:
        return f"{text}: it costs."
    return f"{text}: it pays." if gain >= WORTH else f"{text}: it doesn't pay."


def _call_rows(ladder: Ladder) -> tuple[list[str], list[list[str]]]:
    top = RUNGS[-1]
    heads = ["call", *(rung.label for rung in RUNGS), f"{top.label} saves"]
    rows = [
        [CALLS[call], *(_cell(costs[rung.name]) for rung in RUNGS), _percent(ladder.saved(call, top))]
        for call, costs in ladder.calls.items()
    ]
    return heads, rows


def _throughput_rows(ladder: Ladder) -> tuple[list[str], list[list[str]]]:
    top = RUNGS[-1]
    heads = ["server", *(rung.label for rung in RUNGS), f"{top.label} gains"]
    rows = []
    for app, rungs in ladder.throughput.items():
        spreads = [rungs[rung.name].per_minstr for rung in RUNGS]
        cells = [f"{one.median:.2f} ({one.least:.2f}-{one.most:.2f})" for one in spreads]
        rows.append([app, *cells, _percent(ladder.gained(app, top), sign=True)])
    return heads, rows


def _cell(cost: CallCost) -> str:
    time = "-" if cost.time_ns is None else f"{cost.time_ns.median:,.0f}"
    return f"{cost.instructions:,.0f} ({time})"


def _percent(share: float, *, sign: bool = False) -> str:
    text = f"{100 * share:{'+' if sign else ''}.1f} %"
    return text.replace("-0.0 %", "0.0 %")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it is a table before it is rendered as well."""
    widths = [max(len(line[index]) for line in (heads, *rows)) for index in range(len(heads))]
    rule = [f":{'-' * (widths[0] - 1)}", *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    lines = [_row([head.ljust(width) for head, width in zip(heads, widths, strict=True)]), _row(rule)]
    for row in rows:
        first, *rest = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append(_row([first, *rest]))
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
