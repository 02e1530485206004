"""Short texts for one line of a terminal or a log."""

from __future__ import annotations

import re

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


def detail_text(event: StepDetail, seconds: float) -> str:
    """What a step that has run for so long is doing; if it counts parts, how many are done, and the time left.

    >>> detail_text(StepDetail(1, "CC mm/slub.o", done=100, total=400), 20.0)
    '100/400, about 60 s left  CC mm/slub.o'
    """
    text = one_line(event.text)
    if event.done is None or not event.total:
        return text
    count = f"{event.done}/{event.total}"
    if seconds >= _LEAST_S and 0 < event.done < event.total:
        count += f", about {rough_duration(seconds / event.done * (event.total - event.done))} left"
    return f"{count}  {text}".rstrip()
