# SPDX-License-Identifier: GPL-2.0-only
"""Progress as events: the library emits them, ``unilinux.report`` shows them.

>>> progress = Progress(NullSink())
>>> with progress.step("kernel", "compiling Linux 6.12") as step:
...     step.detail("fs/ext4")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A piece of work began; ``name`` is stable (for machines), ``label`` is for people.

    ``cacheable``: its result may be there already; :class:`StepWorking` says that it isn't.
    """

    id: int
    parent: int | None
    name: str
    label: str
    cacheable: bool = False


@dataclass(frozen=True, slots=True)
class StepWorking:
    """The result of a cacheable step wasn't there: it is being made now.

    ``estimate_s`` is how long that took the last time, in seconds; None where it wasn't done before.
    """

    id: int
    estimate_s: float | None


@dataclass(frozen=True, slots=True)
class StepDetail:
    """What the step is doing just now: one short line; and how many of how many parts are done, if that is known."""

    id: int
    text: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class StepFinished:
    """The step ended. ``cached`` says that nothing had to be done, ``ok`` that no error left it."""

    id: int
    name: str
    label: str
    seconds: float
    cached: bool
    ok: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know that is no error."""

    text: str


Event = StepStarted | StepWorking | StepDetail | StepFinished | Note


class Sink(Protocol):
    """Where events go. Called from several threads; must not raise."""

    def emit(self, event: Event) -> None:
        """Show or write one event."""


class NullSink:
    """Shows nothing."""

    def emit(self, event: Event) -> None:
        """Drop the event."""


class StepHandle:
    """The running step, given to the ``with`` block of :meth:`Progress.step`."""

    def __init__(self, sink: Sink, number: int) -> None:
        self._sink = sink
        self.id = number
        self.was_cached = False

    def detail(self, text: str) -> None:
        """Say what is being done just now."""
        self._sink.emit(StepDetail(self.id, text))

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Say how many of ``total`` equal parts are done, and what is being done just now."""
        self._sink.emit(StepDetail(self.id, text, done, total))

    def working(self, estimate_s: float | None = None) -> None:
        """Say that the result of a cacheable step has to be made, and how long that took the last time."""
        self._sink.emit(StepWorking(self.id, estimate_s))

    def note(self, text: str) -> None:
        """Tell the user something that is no error."""
        self._sink.emit(Note(text))

    def cached(self) -> None:
        """Say that the result was there already."""
        self.was_cached = True


class Progress:
    """Emits nested steps to one sink. Steps nest per thread."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        self._next_id = 1
        self._stack = threading.local()

    def note(self, text: str) -> None:
        """Tell the user something that is no error."""
        self._sink.emit(Note(text))

    @contextmanager
    def step(self, name: str, label: str, *, cacheable: bool = False) -> Iterator[StepHandle]:
        """Run the ``with`` block as one step, finished (``ok=False``) also when it raises.

        A ``cacheable`` step calls :meth:`StepHandle.cached` or :meth:`StepHandle.working` before anything else.
        """
        with self._lock:
            number = self._next_id
            self._next_id += 1
        stack: list[int] = self._stack.__dict__.setdefault("ids", [])
        parent = stack[-1] if stack else None
        handle = StepHandle(self._sink, number)
        self._sink.emit(StepStarted(number, parent, name, label, cacheable))
        stack.append(number)
        began = time.monotonic()
        ok = False
        try:
            yield handle
            ok = True
        finally:
            stack.pop()
            seconds = time.monotonic() - began
            self._sink.emit(StepFinished(number, name, label, seconds, handle.was_cached, ok))
