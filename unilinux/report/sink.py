# SPDX-License-Identifier: GPL-2.0-only
"""What every sink of this package is: it takes events while it is open, and closes cleanly."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from unilinux.core.events import NullSink


class Reporter(NullSink):
    """A sink to be used in a ``with`` statement, also when an exception leaves it. This one shows nothing.

    Others override ``emit``, which is called from several threads and never raises.
    """

    def close(self) -> None:
        """Leave terminal and stream as they were found."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
