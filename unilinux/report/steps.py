# SPDX-License-Identifier: GPL-2.0-only
"""The steps that run now and what became of those inside them: what a live display draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from unilinux.core.events import Event, StepDetail, StepFinished, StepStarted, StepWorking
from unilinux.report.text import Counting, one_line, rough_duration


@dataclass(slots=True)
class Node:
    """A step. ``finished`` is None while it runs; ``began`` is in seconds of the caller's clock."""

    label: str
    began: float
    parent: int | None
    detail: str = ""
    counting: Counting = field(default_factory=Counting)
    finished: StepFinished | None = None
    children: list[Node] = field(default_factory=list)

    def descendants(self) -> Iterator[Node]:
        """All steps inside this one, at any depth."""
        for child in self.children:
            yield child
            yield from child.descendants()


class Steps:
    """All running steps, by the events so far."""

    def __init__(self) -> None:
        self.roots: list[Node] = []
        self._running: dict[int, Node] = {}

    def apply(self, event: Event, *, now: float) -> Node | None:
        """Take an event in; the outermost step that it has ended, which then is no longer held."""
        match event:
            case StepStarted():
                node = Node(one_line(event.label), now, event.parent)
                around = self._running.get(event.parent) if event.parent is not None else None
                (around.children if around else self.roots).append(node)
                self._running[event.id] = node
            case StepWorking() if event.id in self._running and event.estimate_s:
                self._running[event.id].detail = f"the last time: {rough_duration(event.estimate_s)}"
            case StepDetail() if event.id in self._running:
                node = self._running[event.id]
                node.detail = node.counting.text(event, now)
            case StepFinished() if event.id in self._running:
                node = self._running.pop(event.id)
                node.finished = event
                if any(node is root for root in self.roots):
                    self.roots = [root for root in self.roots if root is not node]
                    return node
            case _:
                pass
        return None
