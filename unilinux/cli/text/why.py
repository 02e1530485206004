# SPDX-License-Identifier: GPL-2.0-only
"""The answer of ./x why for people, out of its JSON data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unilinux.cli.text.side_by_side import text_table

_MOST = 12


def text(answer: Mapping[str, Any]) -> str:
    """Who asked, what was seen, what hangs on it, what it costs."""
    return "\n".join((*_title(answer), *_asked(answer), *_observed(answer), *_relations(answer), *_cost(answer)))


def _title(answer: Mapping[str, Any]) -> Iterator[str]:
    prompt = f" “{answer['prompt']}”" if answer["prompt"] else ""
    yield f"{answer['symbol']}={answer['value']} in {answer['image']}{prompt}"


def _asked(answer: Mapping[str, Any]) -> Iterator[str]:
    for one in answer["asked_by"]:
        because = f": {one['why']}" if one["why"] else ""
        yield f"  asked for   {one['value']} by {one['party']} ({one['at']}){because}"
    if not answer["asked_by"]:
        yield f"  asked for   by nobody; {answer['reason']}"
    for parent in answer["chain"]["by"]:
        yield from _chain(parent, "  selected by ")
    if answer["value"] == "n":
        yield from (f"  it is off   {phrase}" for phrase in answer["unmet"] or ("and was never on in this image",))
        ask_for = [*answer["to_turn_on"], *([] if answer["symbol"] in answer["to_turn_on"] else [answer["symbol"]])]
        if answer["prompt"]:
            lines = "  ".join(f'{name} = "y"' for name in ask_for)
            yield f"  turn it on  in [kernel] of the application or profile: {lines}"


def _chain(node: Mapping[str, Any], head: str) -> Iterator[str]:
    yield f"{head}{node['symbol']}, {node['reason']}"
    for parent in node["by"]:
        yield from _chain(parent, f"{' ' * len(head)}  by ")


def _observed(answer: Mapping[str, Any]) -> Iterator[str]:
    seen = answer["observed"]
    if seen:
        yield f"  observed    {seen.get('status', '')}, in {seen['image']}"
        lines = [*seen.get("calls", ()), *seen.get("functions", ())]
        yield from (f"              {line}" for line in _first(lines))
    elif answer["value"] != "n":
        app = answer["image"].partition("-")[0]
        yield f"  observed    nothing (./x observe --app {app} looks who uses what, on a generous kernel in ring 3)"


def _relations(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["value"] == "n":
        return
    for head, names in (("selects", answer["selects"]), ("needed by", answer["needed_by"])):
        if names:
            yield f"  {head:11} {' '.join(_first(names))}"
    if answer["depends_on"] not in ("", "y"):
        yield f"  depends on  {answer['depends_on']}"


def _cost(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["refusal"]:
        yield f"  without it  impossible: {answer['refusal']}"
    without = answer["without"]
    if not without:
        return
    failure = without["verification"]["failure"]
    yield f"  without it  {'verification FAILS: ' + failure if failure else 'verification passes'}"
    if without["changes"]:
        yield f"              also changed: {'; '.join(_first(without['changes']))}"
    ran = without["functions"]["executed"]
    if without["functions"]["count"]:
        some = f" ({', '.join(_first(ran))})" if ran else ""
        yield f"              {len(ran)} of the {without['functions']['count']} functions that go with it ran{some}"
    rows = [
        [subject, _number(one["with"]), _number(one["without"]), _number(one["costs"], sign=True), one["unit"]]
        for subject, one in without["cost"].items()
    ]
    yield ""
    yield text_table(("", "with it", "without", "it costs", ""), rows).rstrip("\n")
    yield f"(the image without it is kept: ./x diff {answer['image']} {without['image']})"


def _number(value: int | None, *, sign: bool = False) -> str:
    if value is None:
        return "?"
    return f"{value:+,}" if sign else f"{value:,}"


def _first(items: Sequence[str]) -> list[str]:
    more = [f"… ({len(items)} in all)"] if len(items) > _MOST else []
    return [*items[:_MOST], *more]
