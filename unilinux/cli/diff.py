"""Two images side by side: their configurations, their bytes, their boots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.cli.finished import Finished, find_finished, specimen_of
from unilinux.cli.session import Session, session
from unilinux.cli.side_by_side import numbers_table, paired, pairs_document, stages_table, text_table
from unilinux.cli.specimen import count, sizes
from unilinux.core.errors import UsageError
from unilinux.measure.boot.stages import Stages
from unilinux.measure.size.size import Size

_MOST_ROWS = 20
_Rows = Sequence[tuple[str, int | None, int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One of the two. ``boot`` is None where boots weren't asked for."""

    finished: Finished
    label: str
    size: Size
    boot: Stages | None = None

    @property
    def initcalls(self) -> Mapping[str, int]:
        """Instructions of each, by name; several of one name together."""
        costs: dict[str, int] = {}
        for cost in self.boot.initcalls if self.boot else ():
            costs[cost.name] = costs.get(cost.name, 0) + cost.instructions
        return costs

    def document(self) -> dict[str, Any]:
        """Plain JSON data: which image it is."""
        record = self.finished.record
        names = ("name", "app", "profile", "ring", "syscall", "cmdline")
        return {
            **{name: record[name] for name in names},
            "folder": str(self.finished.folder),
            "machine": record["machine"]["board"],
            "kernel": record["kernel"]["version"],
        }


def diff(project: Path, images: tuple[str, str], *, boots: bool, as_json: bool, verbose: bool) -> None:
    """Show in what two finished images differ; ``boots`` counts a boot of each."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        if not all(images):
            raise UsageError("two images are needed", hint="./x diff hello nginx, or two folders of images")
        found = [find_finished(here.layout, word) for word in images]
        labels = [each.name for each in found]
        if labels[0] == labels[1]:
            labels = [str(each.folder) for each in found]
        first, second = (_measured(here, each, label, boots) for each, label in zip(found, labels, strict=True))
        here.answer(document(first, second), lambda: text(first, second))


def _measured(here: Session, finished: Finished, label: str, boots: bool) -> Measured:
    size = sizes(here, finished.folder, finished.record["inputs"])
    if not boots:
        return Measured(finished=finished, label=label, size=size)
    (boot,) = count(here, specimen_of(here.layout, finished))
    return Measured(finished=finished, label=label, size=size, boot=boot)


def config_pairs(was: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(symbol, value, other value) of each symbol that differs; n is the value of what isn't there."""
    pairs = ((symbol, was.get(symbol, "n"), now.get(symbol, "n")) for symbol in sorted({*was, *now}))
    return [pair for pair in pairs if pair[1] != pair[2]]


def document(first: Measured, second: Measured) -> dict[str, Any]:
    """Plain JSON data: ``a`` and ``b`` are the two, in the order in which they were named."""
    found: dict[str, Any] = {
        "a": first.document(),
        "b": second.document(),
        "config": [
            {"symbol": symbol, "a": a, "b": b}
            for symbol, a, b in config_pairs(first.finished.config, second.finished.config)
        ],
        "sizes": {name: pairs_document(a, b) for name, a, b in _byte_tables(first, second)},
    }
    if first.boot and second.boot:
        found["boots"] = {
            "a": first.boot.document(),
            "b": second.boot.document(),
            "initcalls": pairs_document(first.initcalls, second.initcalls),
        }
    return found


def text(first: Measured, second: Measured) -> str:
    """The same for people; of bytes and initcalls only what differs."""
    names = (first.label, second.label)
    pairs = config_pairs(first.finished.config, second.finished.config)
    parts = [f"{names[0]} and {names[1]}: {_counted(len(pairs), 'symbol differs', 'symbols differ')}"]
    if pairs:
        parts.append(text_table(("configuration", *names), pairs, right=False))
    for name, a, b in _byte_tables(first, second):
        rows = [row for row in paired(a, b) if row[1] != row[2]]
        parts.append(numbers_table(f"bytes: {name}", names, _most_different(rows)) if rows else f"{name}: the same\n")
    if first.boot and second.boot:
        parts.append(stages_table(names, (first.boot, second.boot)))
        calls = [row for row in paired(first.initcalls, second.initcalls) if row[1] != row[2]]
        if calls:
            parts.append(numbers_table("initcall", names, _most_different(calls)))
    return "\n".join(parts)


def _byte_tables(first: Measured, second: Measured) -> list[tuple[str, Mapping[str, int], Mapping[str, int]]]:
    tables = []
    for name, values in (
        ("parts", [each.finished.record["sizes"] for each in (first, second)]),
        ("memory", [{"loaded": each.size.loaded, "zeroed": each.size.zeroed} for each in (first, second)]),
        ("sections", [each.size.sections for each in (first, second)]),
        ("subsystems", [each.size.subsystems() for each in (first, second)]),
    ):
        tables.append((name, values[0], values[1]))
    return tables


def _most_different(rows: _Rows) -> _Rows:
    """Those with the largest differences, largest first."""
    return sorted(rows, key=lambda row: -abs((row[2] or 0) - (row[1] or 0)))[:_MOST_ROWS]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
