"""Progress for logs: lines that only ever get added."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from unilinux.core.events import Event, Note, StepDetail, StepFinished, StepStarted
from unilinux.report.sink import Reporter
from unilinux.report.stream import SafeStream
from unilinux.report.text import duration, one_line

# A kernel build says thousands of things; a log wants to know that it goes on.
DETAIL_INTERVAL_S = 5.0


@dataclass(slots=True)
class _Running:
    depth: int
    label: str
    quiet_until: float


class PlainLines(Reporter):
    """A line when a step begins and one when it ends, indented under the step around it.

    What a step is doing just now is shown at most every ``DETAIL_INTERVAL_S``.
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = SafeStream(stream)
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[int, _Running] = {}

    def emit(self, event: Event) -> None:
        """Write a line, or none."""
        with self._lock:
            match event:
                case StepStarted():
                    self._start(event)
                case StepDetail():
                    self._detail(event)
                case StepFinished():
                    self._finish(event)
                case Note():
                    self._write(0, f"note: {one_line(event.text)}")

    def _start(self, event: StepStarted) -> None:
        around = self._running.get(event.parent) if event.parent is not None else None
        step = _Running(around.depth + 1 if around else 0, one_line(event.label), self._clock() + DETAIL_INTERVAL_S)
        self._running[event.id] = step
        self._write(step.depth, f"{step.label} ...")

    def _detail(self, event: StepDetail) -> None:
        step = self._running.get(event.id)
        now = self._clock()
        if step is not None and now >= step.quiet_until:
            step.quiet_until = now + DETAIL_INTERVAL_S
            self._write(step.depth, f"{step.label}: {one_line(event.text)}")

    def _finish(self, event: StepFinished) -> None:
        step = self._running.pop(event.id, None)
        end = "cached" if event.cached else duration(event.seconds)
        result = end if event.ok else f"FAILED after {duration(event.seconds)}"
        self._write(step.depth if step else 0, f"{one_line(event.label)}: {result}")

    def _write(self, depth: int, line: str) -> None:
        self._stream.write(f"{'  ' * depth}{line}\n")
        self._stream.flush()
