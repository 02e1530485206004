# SPDX-License-Identifier: GPL-2.0-only
"""Progress for people: a live tree of the running steps, and one line for each that has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO, TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from unilinux.core.events import Event, Note, StepDetail
from unilinux.report.sink import Reporter
from unilinux.report.steps import Node, Steps
from unilinux.report.stream import SafeStream
from unilinux.report.text import duration, one_line, steps_cached

REFRESH_PER_S = 8
# Of the finished steps inside a running one, only the latest are drawn: what runs must stay on the screen.
FINISHED_SHOWN = 4
_SPINNER_UNICODE = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPINNER_ASCII = "|/-\\"


class LiveTree(Reporter):
    """Redraws the running steps in place.

    The display exists only while a step runs, so that between steps the terminal
    belongs to whoever else writes to it (a guest's console, a task's result).
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        safe = SafeStream(stream)
        self._unicode = safe.is_unicode
        self._console = Console(
            file=cast(IO[str], safe), force_terminal=True, highlight=False, markup=False, emoji=False
        )
        self._clock = clock
        # The state has a lock of its own: rich's refreshing thread reads it while it holds rich's lock, which
        # whoever starts, stops or prints (one at a time, by the other lock) is going to take.
        self._state_lock = threading.Lock()
        self._display_lock = threading.RLock()
        self._steps = Steps()
        self._live: Live | None = None

    def close(self) -> None:
        """Take the display away and show the cursor again."""
        with self._display_lock:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def emit(self, event: Event) -> None:
        """Take the event into the tree; what has ended is printed above it, to stay."""
        if isinstance(event, StepDetail):  # by far the most frequent; drawn with the next frame
            with self._state_lock:
                self._steps.apply(event, now=self._clock())
            return
        with self._display_lock:
            with self._state_lock:
                ended = self._steps.apply(event, now=self._clock())
                runs = bool(self._steps.roots)
            if not runs:
                self.close()
            elif self._live is None:
                self._live = self._display()
                self._live.start()
            lines = self._ended_lines(ended, 0) if ended is not None else []
            if isinstance(event, Note):
                lines = [self._line("note", "cyan", 0, one_line(event.text))]
            for line in lines:
                self._console.print(line, no_wrap=True, overflow=line.overflow)

    def _display(self) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._tree,
            refresh_per_second=REFRESH_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _tree(self) -> Group:
        with self._state_lock:
            lines = [line for root in self._steps.roots for line in self._running_lines(root, 0)]
        # Never more than the screen holds: what would scroll away could not be redrawn.
        return Group(*lines[-max(1, self._console.size.height - 2) :])

    def _running_lines(self, node: Node, depth: int) -> list[Text]:
        if node.finished is not None:
            return self._ended_lines(node, depth)
        now = self._clock()
        frames = _SPINNER_UNICODE if self._unicode else _SPINNER_ASCII
        line = self._line(frames[int(now * REFRESH_PER_S) % len(frames)], "cyan", depth, node.label)
        line.append(f"  {duration(now - node.began)}", "cyan")
        cached = sum(1 for child in node.children if child.finished is not None and child.finished.cached)
        if node.detail:
            line.append(f"  {node.detail}", "dim")
        if cached:
            line.append(f"  {steps_cached(cached)}", "dim")
        finished = [child for child in node.children if child.finished is not None and not child.finished.cached]
        hidden = finished[:-FINISHED_SHOWN]
        lines = [line]
        if hidden:
            lines.append(self._line(" ", "dim", depth + 1, f"{len(hidden)} more steps have ended", "dim"))
        for child in node.children:
            was_cached = child.finished is not None and child.finished.cached
            if not was_cached and not any(child is one for one in hidden):
                lines.extend(self._running_lines(child, depth + 1))
        return lines

    def _ended_lines(self, node: Node, depth: int) -> list[Text]:
        """One line for a step that went well; under one that failed, those that failed inside it."""
        end = node.finished
        assert end is not None
        if not end.ok:
            line = self._line("✗" if self._unicode else "x", "red", depth, node.label, "red")
            line.append(f"  failed after {duration(end.seconds)}", "red")
            failed = [child for child in node.children if child.finished and not child.finished.ok]
            return [line, *(inner for child in failed for inner in self._ended_lines(child, depth + 1))]
        inside = [child for child in node.descendants() if child.finished is not None]
        cached = sum(1 for child in inside if child.finished is not None and child.finished.cached)
        mark = "✓" if self._unicode else "+"
        if end.cached:
            line = self._line(mark, "dim", depth, node.label, "dim")
            line.append("  cached", "dim")
            return [line]
        line = self._line(mark, "green", depth, node.label)
        line.append(f"  {duration(end.seconds)}", "dim")
        if inside:
            line.append(f"  ({len(inside)} steps, {cached} cached)", "dim")
        return [line]

    def _line(self, mark: str, colour: str, depth: int, text: str, style: str = "") -> Text:
        line = Text("  " * depth, no_wrap=True, overflow="ellipsis" if self._unicode else "crop")
        line.append(f"{mark} ", colour)
        line.append(text, style)
        return line
