# SPDX-License-Identifier: GPL-2.0-only
"""A log file that doesn't grow without end: its beginning and its end are kept."""

from __future__ import annotations

from collections import deque
from pathlib import Path

_HEAD_BYTES = 8 << 20
_TAIL_BYTES = 1 << 20


class CappedLog:
    """Writes lines to a file; of what is more than ``head_bytes``, only the last ``tail_bytes`` are kept.

    The end is written when the log is closed, after a line that says how much is missing.
    Nothing here raises: a full disk must not stop what is logged. ``failure`` is why the
    file is incomplete, if it is.

    :raise OSError: when made, the file can't be opened.
    """

    def __init__(self, path: Path, *, head_bytes: int = _HEAD_BYTES, tail_bytes: int = _TAIL_BYTES) -> None:
        self.failure: OSError | None = None
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._left = head_bytes
        self._most_tail = tail_bytes
        self._tail: deque[str] = deque()
        self._tail_bytes = 0
        self._cut_lines = self._cut_bytes = 0

    def line(self, text: str) -> None:
        """Add a line, given without its end."""
        size = len(text) + 1
        if self._left >= size:
            self._left -= size
            self._write(text)
            return
        self._left = 0  # a shorter line doesn't overtake this one
        self._tail.append(text)
        self._tail_bytes += size
        while self._tail_bytes > self._most_tail and len(self._tail) > 1:
            lost = len(self._tail.popleft()) + 1
            self._tail_bytes -= lost
            self._cut_bytes += lost
            self._cut_lines += 1

    def close(self) -> None:
        """Write the end; a second call does nothing."""
        if self._file.closed:
            return
        if self._cut_lines:
            self._write(f"--- {self._cut_lines:,} lines ({self._cut_bytes:,} characters) are left out here ---")
        for text in self._tail:
            self._write(text)
        try:
            self._file.close()
        except OSError as error:
            self.failure = error

    def _write(self, text: str) -> None:
        try:
            self._file.write(f"{text}\n")
        except OSError as error:
            self.failure = error
