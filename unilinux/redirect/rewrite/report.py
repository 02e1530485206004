# SPDX-License-Identifier: GPL-2.0-only
"""What was found in a file and what became of it: each system call, each HLT, and the counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.redirect.rewrite.halt import Crash, Halt
from unilinux.redirect.rewrite.treatment import Shape

CALL, JUMP, TRAP = "call", "jump", "trap"
"""A call of the gate in its place; a jump to the gate; the SYSCALL instruction, as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenSite:
    """One SYSCALL of a file. ``why`` says why it stayed a trap; None: it didn't."""

    function: str
    address: int
    shape: Shape
    number: int | None
    treatment: str
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many system calls were found, and how many of these call the gate, jump to it, or stayed as they were."""

    called: int
    jumped: int
    left: int

    @property
    def found(self) -> int:
        """All of them."""
        return self.called + self.jumped + self.left

    @property
    def rewritten(self) -> int:
        """Those that go through the gate."""
        return self.called + self.jumped

    def to_json(self) -> dict[str, int]:
        """As plain data."""
        return {"found": self.found, "rewritten": self.rewritten, "left": self.left,
                "called": self.called, "jumped": self.jumped}  # fmt: skip

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Counts:
        """What :meth:`to_json` made."""
        return Counts(called=document["called"], jumped=document["jumped"], left=document["left"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file.

    ``untouched`` says why it is as it was as a whole; None: it isn't. In a file that had been
    rewritten before, the single sites aren't known any more.
    """

    file: str
    counts: Counts
    sites: tuple[RewrittenSite, ...] = ()
    halts: tuple[Halt, ...] = ()
    untouched: str | None = None

    def reasons(self) -> Mapping[str, int]:
        """Why sites stayed traps, and how many for each reason; the most frequent one first."""
        return dict(Counter(site.why for site in self.sites if site.why is not None).most_common())

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "file": self.file,
            "sites": {**self.counts.to_json(), "each": [_site_to_json(site) for site in self.sites]},
            "halts": [
                {"function": halt.function, "address": f"{halt.address:#x}", "becomes": halt.becomes.name}
                for halt in self.halts
            ],
            "untouched": self.untouched,
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Report:
        """What :meth:`to_json` made."""
        return Report(
            file=document["file"],
            counts=Counts.from_json(document["sites"]),
            sites=tuple(_site_from_json(site) for site in document["sites"]["each"]),
            halts=tuple(
                Halt(halt["function"], int(halt["address"], 16), Crash[halt["becomes"]]) for halt in document["halts"]
            ),
            untouched=document["untouched"],
        )


def counts_of(sites: tuple[RewrittenSite, ...]) -> Counts:
    """The counts of these sites."""
    each = Counter(site.treatment for site in sites)
    return Counts(called=each[CALL], jumped=each[JUMP], left=each[TRAP])


def note_content(counts: Counts) -> bytes:
    """What a rewritten file says of itself."""
    return json.dumps(counts.to_json(), sort_keys=True).encode()


def _site_to_json(site: RewrittenSite) -> dict[str, Any]:
    return {
        "function": site.function,
        "address": f"{site.address:#x}",
        "shape": site.shape.name,
        "number": site.number,
        "treatment": site.treatment,
        "why": site.why,
    }


def _site_from_json(site: Mapping[str, Any]) -> RewrittenSite:
    return RewrittenSite(
        function=site["function"],
        address=int(site["address"], 16),
        shape=Shape[site["shape"]],
        number=site["number"],
        treatment=site["treatment"],
        why=site["why"],
    )
