# SPDX-License-Identifier: GPL-2.0-only
"""How an application is asked to end, and how it then should."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.app.run import Run
from unilinux.app.signals import signal_number
from unilinux.vm.outcome import Exited, Outcome, Signalled


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop signal by its name, and the exit status that the application then has.

    Without a status, 0 and the end by just that signal are in order, as for a program without a handler.
    """

    signal: str
    status: int | None

    @classmethod
    def of(cls, run: Run) -> Stop | None:
        """What a manifest says; None for an application that ends by itself."""
        return None if run.stop is None else cls(run.stop, run.stop_status)

    @property
    def expected(self) -> str:
        """In words."""
        return f"exit status {self.status or 0}" + (f" or {self.signal}" if self.status is None else "")

    def fits(self, outcome: Outcome) -> bool:
        """Whether the application ended as it should."""
        if self.status is None and outcome == Signalled(signal_number(self.signal)):
            return True
        return outcome == Exited(self.status or 0)
