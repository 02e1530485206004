# SPDX-License-Identifier: GPL-2.0-only
"""Short texts for one line of a terminal or a log."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unilinux.core.events import StepDetail

# Escape sequences (colours of compilers, cursor movements), then what else of the control characters is left.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+][0-9A-Za-z]|[@-Z\\-_])")
_LEAST_S = 3.0  # of a step's time, before anything can be said of its rest
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]+")


def one_line(text: str) -> str:
    """``text`` without escape sequences and control characters, on one line."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", text).expandtabs(8)).strip()


def printable(text: str) -> str:
    """The same for a line whose indentation matters: a compiler's, a console's."""
    return _CONTROLS.sub(" ", _ESCAPES.sub("", text).expandtabs(8)).rstrip()


def rough_duration(seconds: float) -> str:
    """What a person wants to know of a time to come: ``1 s``, ``40 s``, ``4 min``, ``1 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def duration(seconds: float) -> str:
    """``0.4 s``, ``12.3 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def steps_cached(count: int) -> str:
    """``1 step cached``, ``18 steps cached``."""
    return f"{count} step{'' if count == 1 else 's'} cached"


@dataclass(slots=True)
class Counting:
    """How fast a step that counts its parts goes: since its first count, as there may be other work before."""

    began: float | None = None
    first: int = 0

    def text(self, event: StepDetail, now: float) -> str:
        """What the step is doing; if it counts parts, how many are done, and about how long the rest takes.

        ``now`` is in seconds of the caller's clock.
        """
        text = one_line(event.text)
        if event.done is None or not event.total:
            return text
        if self.began is None:
            self.began, self.first = now, event.done
        seconds, done = now - self.began, event.done - self.first
        count = f"{event.done}/{event.total}"
        if seconds >= _LEAST_S and done > 0 and event.done < event.total:
            count += f", about {rough_duration(seconds / done * (event.total - event.done))} left"
        return f"{count}  {text}".rstrip()
