# SPDX-License-Identifier: GPL-2.0-only
"""The result of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """Whether a configuration passes; ``reason`` says why not, and is empty if it does.

    ``loaded`` are the bytes that are loaded of a kernel with its application, as ``./x size`` counts them; None for
    what couldn't be configured or built. ``seconds`` is what finding out took, ``timeout_s`` the time that each
    check had; 0 where nothing was booted.
    """

    ok: bool
    reason: str = ""
    loaded: int | None = None
    seconds: float = 0.0
    timeout_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialResult:
        """The value that :meth:`to_json` was made from.

        :raise KeyError: it lacks a value.
        :raise TypeError: it has others.
        """
        loaded = data["loaded"]
        return cls(
            ok=bool(data["ok"]),
            reason=str(data["reason"]),
            loaded=None if loaded is None else int(loaded),
            seconds=float(data["seconds"]),
            timeout_s=float(data["timeout_s"]),
        )


class Trials(Protocol):
    """Tries configurations, given as changes that all count from the same original."""

    def effect(self, changes: Mapping[str, str]) -> str:
        """What stands for the configuration: equal for equal ones. Cheap: nothing is built."""

    def refused(self, changes: Mapping[str, str], name: str) -> str:
        """Why Kconfig doesn't allow what ``changes`` asks of the symbol ``name``; empty if it does."""

    def attempt(self, changes: Mapping[str, str], label: str) -> TrialResult:
        """Build, boot and verify. Failures of the configuration are results, of the host errors.

        :raise HostError: the disk is full, or a tool is missing.
        """
