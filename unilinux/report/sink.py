"""What every sink of this package is: it takes events while it is open, and closes cleanly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from unilinux.core.events import Event


class Reporter(ABC):
    """A sink to be used in a ``with`` statement, also when an exception leaves it."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Show or write one event; called from several threads, never raises."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Leave terminal and stream as they were found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Silent(Reporter):
    """Shows nothing."""

    def emit(self, event: Event) -> None:
        """Drop the event."""
