# SPDX-License-Identifier: GPL-2.0-only
"""Two images side by side: their configurations, their bytes, their boots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.measure.boot.stages import Stages, last_exact_stage
from unilinux.measure.size.size import Size
from unilinux.ops.counting import count
from unilinux.ops.finished import Finished, find_finished
from unilinux.ops.image_under_test import USUAL_MEMORY_MIB, ImageUnderTest
from unilinux.ops.pairs import pairs_document
from unilinux.ops.size import sizes
from unilinux.ops.workshop import Workshop


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDiff:
    """Two images side by side, in the order in which they were named."""

    first: Measured
    second: Measured

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return document(self.first, self.second)


def diff(here: Workshop, images: tuple[str, str], *, boots: bool = True) -> ImageDiff:
    """In what two finished images differ; ``boots`` counts a boot of each.

    :raise UsageError: a name that is no image's.
    :raise UniLinuxError: as booting does.
    """
    if not all(images):
        raise UsageError("two images are needed", hint="./x diff hello nginx, or two folders of images")
    found = [find_finished(here.layout, word) for word in images]
    labels = [each.name for each in found]
    if labels[0] == labels[1]:
        labels = [str(each.folder) for each in found]
    first, second = (_measured(here, each, label, boots) for each, label in zip(found, labels, strict=True))
    return ImageDiff(first=first, second=second)


def _measured(here: Workshop, finished: Finished, label: str, boots: bool) -> Measured:
    size = sizes(here, finished.folder, finished.record["inputs"])
    if not boots:
        return Measured(finished=finished, label=label, size=size)
    (boot,) = count(here, ImageUnderTest.found(finished.folder).with_memory(USUAL_MEMORY_MIB).reachable())
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
        "sizes": {name: pairs_document(a, b) for name, a, b in byte_tables(first, second)},
    }
    if first.boot and second.boot:
        found["boots"] = {
            "a": first.boot.document(),
            "b": second.boot.document(),
            "initcalls": pairs_document(first.initcalls, second.initcalls),
            "exits": _exits_document(first.boot, second.boot),
        }
    return found


def _exits_document(first: Stages, second: Stages) -> dict[str, Any]:
    until, causes, others = exits_of(first, second)
    return {"until": until, "causes": pairs_document(causes, others)}


def exits_of(first: Stages, second: Stages) -> tuple[str, Mapping[str, int], Mapping[str, int]]:
    """The last stage that is exact in both boots, and the exits of each up to its end, by cause."""
    until = last_exact_stage(first, second)
    return until, first.exits_to(until), second.exits_to(until)


def byte_tables(first: Measured, second: Measured) -> list[tuple[str, Mapping[str, int], Mapping[str, int]]]:
    """(what, bytes by name, the other's bytes by name) for each way to divide an image's bytes."""
    tables = []
    for name, values in (
        ("parts", [each.finished.record["sizes"] for each in (first, second)]),
        ("memory", [{"loaded": each.size.loaded, "zeroed": each.size.zeroed} for each in (first, second)]),
        ("sections", [each.size.sections for each in (first, second)]),
        ("subsystems", [each.size.subsystems() for each in (first, second)]),
    ):
        tables.append((name, values[0], values[1]))
    return tables
