# SPDX-License-Identifier: GPL-2.0-only
"""The user's keyboard, handed on to a guest."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def typing_to(send: Callable[[bytes], None]) -> Iterator[None]:
    """Within the ``with`` block, what is typed goes to ``send`` key by key; Ctrl-C stays ours.

    Does nothing when standard input is no terminal. The terminal is left as it was found.
    """
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    ended, wake = os.pipe()
    reader = threading.Thread(target=_hand_on, args=(descriptor, ended, send), daemon=True)
    tty.setcbreak(descriptor)
    reader.start()
    try:
        yield
    finally:
        os.close(wake)
        reader.join()
        os.close(ended)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _hand_on(descriptor: int, ended: int, send: Callable[[bytes], None]) -> None:
    while True:
        ready, _, _ = select.select([descriptor, ended], [], [])
        if ended in ready:
            return
        data = os.read(descriptor, 1024)
        if not data:
            return
        try:
            send(data)
        except OSError:  # the guest is gone
            return
