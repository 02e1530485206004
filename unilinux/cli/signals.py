# SPDX-License-Identifier: GPL-2.0-only
"""Requests to end, from outside: each unwinds the command as Ctrl-C does, so that nothing is left behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What a service manager, a closed terminal and the end of a session send.
ENDING = (signal.SIGTERM, signal.SIGHUP)


class EndedBySignalError(KeyboardInterrupt):
    """Somebody asked this process to end; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the ``with`` block, signals that ask for the end raise :class:`EndedBySignalError` in the main thread.

    A signal that was ignored, as nohup has SIGHUP, stays so. Elsewhere than in the main thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise EndedBySignalError(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
