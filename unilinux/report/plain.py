# SPDX-License-Identifier: GPL-2.0-only
"""Progress for logs: lines that only ever get added."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from unilinux.core.events import Event, Note, StepDetail, StepFinished, StepStarted, StepWorking
from unilinux.report.sink import Reporter
from unilinux.report.stream import SafeStream
from unilinux.report.text import Counting, duration, one_line, rough_duration, steps_cached

# A kernel build says thousands of things; a log wants to know that it goes on.
DETAIL_INTERVAL_S = 5.0


@dataclass(slots=True)
class _Running:
    """A step that runs. ``shown``: its first line is written. ``cached``: the cached steps inside it, at any depth."""

    label: str
    around: _Running | None
    quiet_until: float
    shown: bool = False
    counting: Counting = field(default_factory=Counting)
    cached: set[tuple[str, str]] = field(default_factory=set)

    @property
    def depth(self) -> int:
        return self.around.depth + 1 if self.around else 0


class PlainLines(Reporter):
    """A line when a step begins and one when it ends, indented under the step around it.

    A cached step inside another gets no line: the one around it says how many there were.
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
                case StepWorking():
                    self._work(event)
                case StepDetail():
                    self._detail(event)
                case StepFinished():
                    self._finish(event)
                case Note():
                    self._write(0, f"note: {one_line(event.text)}")

    def _start(self, event: StepStarted) -> None:
        around = self._running.get(event.parent) if event.parent is not None else None
        now = self._clock()
        step = _Running(one_line(event.label), around, now + DETAIL_INTERVAL_S)
        self._running[event.id] = step
        if not event.cacheable:
            self._show(step)

    def _work(self, event: StepWorking) -> None:
        step = self._running.get(event.id)
        if step is not None:
            about = f" (the last time: {rough_duration(event.estimate_s)})" if event.estimate_s else ""
            self._show(step, about)

    def _show(self, step: _Running, about: str = "") -> None:
        if step.shown:
            return
        if step.around:
            self._show(step.around)
        step.shown = True
        self._write(step.depth, f"{step.label} ...{about}")

    def _detail(self, event: StepDetail) -> None:
        step = self._running.get(event.id)
        now = self._clock()
        if step is not None and now >= step.quiet_until:
            step.quiet_until = now + DETAIL_INTERVAL_S
            self._show(step)
            self._write(step.depth, f"{step.label}: {step.counting.text(event, now)}")

    def _finish(self, event: StepFinished) -> None:
        step = self._running.pop(event.id, None)
        depth = step.depth if step else 0
        if not event.ok:
            self._write(depth, f"{one_line(event.label)}: FAILED after {duration(event.seconds)}")
            return
        if step and step.around:
            step.around.cached |= step.cached
            if event.cached and not step.shown:
                step.around.cached.add((event.name, event.label))
                return
        cached = f", {steps_cached(len(step.cached))}" if step and not step.around and step.cached else ""
        end = "cached" if event.cached else duration(event.seconds)
        self._write(depth, f"{one_line(event.label)}: {end}{cached}")

    def _write(self, depth: int, line: str) -> None:
        self._stream.write(f"{'  ' * depth}{line}\n")
        self._stream.flush()
