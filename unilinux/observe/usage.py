# SPDX-License-Identifier: GPL-2.0-only
"""What was seen of an application, by Kconfig symbol: what used the symbol's code, and how often."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.observe.coverage import BOOT, IDLE, USED, ObjectUse
from unilinux.observe.trace import CallUse

SCHEMA = 2
UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolUsage:
    """A symbol that is on in the observed kernel.

    ``status``: ``used`` by system calls or by functions that ran from PID 1's start to its
    exit; ``boot``: its functions ran only before or after; ``idle``: it brings code, and
    none of that ran; ``unseen``: it brings no object file and no function of its own, so
    that observing tells nothing about it.

    ``calls`` and ``functions`` are the evidence, a line each, the strongest first. ``ran``
    counts the functions that the symbol brings: used, boot, idle. ``objects`` are the object
    files that would go with it, ``size`` their bytes in the image: those of a symbol within
    another's folder count for both.
    """

    symbol: str
    status: str
    calls: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    ran: tuple[int, int, int] = (0, 0, 0)
    objects: tuple[str, ...] = ()
    size: int = 0

    @property
    def is_called(self) -> bool:
        """Whether system calls of the application use it, rather than only some function of it having run."""
        return self.status == USED and bool(self.calls)

    @property
    def lines(self) -> tuple[str, ...]:
        """All evidence: system calls first."""
        return (*self.calls, *self.functions)

    def document(self) -> dict[str, Any]:
        """Plain JSON data, for :meth:`from_document`."""
        return {
            "symbol": self.symbol,
            "status": self.status,
            "calls": list(self.calls),
            "functions": list(self.functions),
            "ran": list(self.ran),
            "objects": list(self.objects),
            "size": self.size,
        }

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> SymbolUsage:
        """The value that :meth:`document` was made from."""
        values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in data.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Something that the application asked for and this kernel doesn't have; ``symbols`` would bring it."""

    what: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One observation. ``image`` says of what: plain JSON data. ``sizes`` are bytes by object file."""

    image: Mapping[str, Any]
    calls: tuple[CallUse, ...]
    objects: tuple[ObjectUse, ...]
    sizes: Mapping[str, int]
    symbols: Mapping[str, SymbolUsage]
    unavailable: tuple[Unavailable, ...]

    def of(self, symbol: str) -> SymbolUsage:
        """What was seen of a symbol, with or without ``CONFIG_``.

        :raise UsageError: it isn't on in the observed kernel.
        """
        name = symbol.removeprefix("CONFIG_")
        if name not in self.symbols:
            raise UsageError(
                unknown("symbol that is on in the observed kernel,", name, self.symbols).split(" (known")[0],
                hint="./x config --app NAME lists the symbols of an image",
            )
        return self.symbols[name]

    def with_status(self, *statuses: str) -> tuple[SymbolUsage, ...]:
        """The symbols of these states, those with the most bytes first."""
        found = (one for one in self.symbols.values() if one.status in statuses)
        return tuple(sorted(found, key=lambda one: (-one.size, one.symbol)))

    @property
    def without_evidence(self) -> tuple[SymbolUsage, ...]:
        """The symbols that are on, bring code, and of which none ran between PID 1's start and exit; largest first."""
        return self.with_status(IDLE, BOOT)

    def document(self) -> dict[str, Any]:
        """Plain JSON data, for :meth:`from_document`."""
        return {
            "schema": SCHEMA,
            "image": dict(self.image),
            "calls": [call.document() for call in self.calls],
            "objects": [{**one.document(), "size": self.sizes.get(one.path, 0)} for one in self.objects],
            "symbols": {name: one.document() for name, one in sorted(self.symbols.items())},
            "unavailable": [{"what": one.what, "symbols": list(one.symbols)} for one in self.unavailable],
        }

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> Usage:
        """The value that :meth:`document` was made from."""
        return cls(
            image=data["image"],
            calls=tuple(map(CallUse.from_document, data["calls"])),
            objects=tuple(map(ObjectUse.from_document, data["objects"])),
            sizes={one["path"]: one["size"] for one in data["objects"]},
            symbols={name: SymbolUsage.from_document(one) for name, one in data["symbols"].items()},
            unavailable=tuple(Unavailable(one["what"], tuple(one["symbols"])) for one in data["unavailable"]),
        )

    @classmethod
    def read(cls, path: Path) -> Usage:
        """What an observation left in a file.

        :raise UsageError: the file is missing, isn't such a document, or was written by another version of UniLinux.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] != SCHEMA:
                raise UsageError(
                    f"{path} was written by another version of UniLinux", hint="./x observe --app NAME writes it again"
                )
            return cls.from_document(data)
        except OSError as error:
            raise UsageError(
                f"cannot read {path}: {error.strerror}", hint="./x observe --app NAME writes this file"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f"{path} is not a file that ./x observe wrote: {error!r}", hint="./x observe --app NAME writes it again"
            ) from error


def call_lines(calls: Iterable[CallUse]) -> tuple[str, ...]:
    """A line for each call, with its arguments that matter, the place and the count: most frequent first."""
    sums: dict[tuple[str, str, str], int] = {}
    failures: dict[tuple[str, str, str], dict[str, int]] = {}
    for call in calls:
        key = (call.name, call.detail, call.place if call.by != "init" else "init")
        sums[key] = sums.get(key, 0) + call.count
        for error, count in call.failures.items():
            of_key = failures.setdefault(key, {})
            of_key[error] = of_key.get(error, 0) + count
    ordered = sorted(sums.items(), key=lambda entry: (entry[0][2] == "init", -entry[1], entry[0]))
    return tuple(_call_line(*key, count, failures.get(key, {})) for key, count in ordered)


def _call_line(name: str, detail: str, place: str, count: int, failures: Mapping[str, int]) -> str:
    arguments = f"({detail})" if detail else ""
    failed = "".join(f", {times} × {error}" for error, times in sorted(failures.items()))
    where = f" in {place}" if place and place != "init" else " by init" if place else ""
    return f"{name}{arguments}{where}: {count} ×{failed}"


def object_line(use: ObjectUse, *, most: int = 6) -> str:
    """What ran of an object file, in words."""
    total = len(use.used) + len(use.boot) + len(use.idle)
    if not use.used and not use.boot:
        return f"{use.path}: none of {total} functions ran"
    if not use.used:
        return f"{use.path}: {len(use.boot)} of {total} functions ran only at start or end ({_some(use.boot, most)})"
    rest = f", {len(use.boot)} only at start or end" if use.boot else ""
    return f"{use.path}: {len(use.used)} of {total} functions ran in use ({_some(use.used, most)}){rest}"


def _some(names: Iterable[str], most: int) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def status_of(states: Iterable[str]) -> str:
    """The strongest of several states."""
    found = set(states)
    return next((state for state in (USED, BOOT, IDLE) if state in found), UNSEEN)
