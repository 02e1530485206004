# SPDX-License-Identifier: GPL-2.0-only
"""What an observation says, as text for people."""

from __future__ import annotations

from collections.abc import Iterable

from unilinux.observe.coverage import BOOT, IDLE, USED, ObjectUse
from unilinux.observe.trace import INIT
from unilinux.observe.usage import UNSEEN, SymbolUsage, Usage, call_lines, object_line

_MOST_OBJECTS = 15


def evidence_text(evidence: Usage) -> str:
    """The system calls, what was asked for in vain, what ran, and the symbols by their evidence."""
    image = evidence.image
    in_use = evidence.with_status(USED)
    blocks = [
        [f"{image['image']}: Linux {image['kernel']}, {image['machine']}, ring {image['ring']}"],
        _calls("system calls of the application", evidence, of_init=False),
        _calls("system calls of init", evidence, of_init=True),
        _vain(evidence),
        _objects(evidence),
        _symbols("symbols that system calls need", tuple(one for one in in_use if one.calls)),
        _symbols("symbols of which functions ran in use", tuple(one for one in in_use if not one.calls)),
        _symbols("symbols whose code ran only at start or end", evidence.with_status(BOOT)),
        _symbols("symbols whose code never ran", evidence.with_status(IDLE)),
        _unseen(evidence),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def symbol_text(one: SymbolUsage) -> str:
    """All evidence of one symbol."""
    state = {
        USED: "used",
        BOOT: "its code ran only at start or end",
        IDLE: "none of its code ran",
        UNSEEN: "it has no object or function of its own: observing tells nothing about it",
    }[one.status]
    size = f" ({one.size:,} bytes in {len(one.objects)} objects)" if one.objects else ""
    return "\n".join([f"{one.symbol}: {state}{size}", *(f"  {line}" for line in one.lines)])


def _calls(title: str, evidence: Usage, *, of_init: bool) -> list[str]:
    calls = [call for call in evidence.calls if (call.by == INIT) == of_init]
    total, kinds = sum(call.count for call in calls), len({call.name for call in calls})
    return [f"{title}: {total:,}, {kinds} different", *(f"  {line}" for line in call_lines(calls))]


def _vain(evidence: Usage) -> list[str]:
    lines = [
        f"  {one.what}" + (f"  (needs {', '.join(one.symbols)})" if one.symbols else "") for one in evidence.unavailable
    ]
    return ["asked for in vain", *lines] if lines else []


def _objects(evidence: Usage) -> list[str]:
    known = [use for use in evidence.objects if evidence.sizes.get(use.path)]
    ran = [use for use in known if use.used]
    functions = _count(known, USED), _count(known, BOOT), _count(known, IDLE)
    most_used = sorted(ran, key=lambda use: -len(use.used))[:_MOST_OBJECTS]
    return [
        f"kernel functions: {functions[0]:,} ran in use, {functions[1]:,} only at start or end, {functions[2]:,} never",
        f"kernel objects in use: {len(ran)} of {len(known)}; of these",
        *(f"  {object_line(use, most=3)}" for use in most_used),
    ]


def _count(objects: Iterable[ObjectUse], state: str) -> int:
    return sum(len(getattr(use, state)) for use in objects)


def _first(one: SymbolUsage) -> str:
    more = len(one.lines) - 1
    return one.lines[0] + (f"; {more} more" if more else "") if one.lines else ""


def _symbols(title: str, symbols: tuple[SymbolUsage, ...]) -> list[str]:
    """A line each: the bytes of the objects that would go, the name, and the first evidence."""
    return [f"{title}: {len(symbols)}", *(f"  {one.size:>9,}  {one.symbol:28} {_first(one)}" for one in symbols)]


def _unseen(evidence: Usage) -> list[str]:
    return [f"symbols that bring no code of their own, about which observing tells nothing: {_total(evidence)}"]


def _total(evidence: Usage) -> int:
    return len(evidence.with_status(UNSEEN))
