# SPDX-License-Identifier: GPL-2.0-only
"""A sink that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from unilinux.core.events import Event, Note, StepDetail, StepFinished


@dataclass
class Recorder:
    """Keeps all events, in their order."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Note)]

    @property
    def details(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, StepDetail)]

    @property
    def cached(self) -> list[bool]:
        return [event.cached for event in self.events if isinstance(event, StepFinished)]
