# SPDX-License-Identifier: GPL-2.0-only
"""A text stream that reports write to without ever failing."""

from __future__ import annotations

import io
from typing import TextIO


class SafeStream(io.TextIOBase):
    """Passes text on to another stream, which stays the caller's to close.

    What the stream's encoding can't express becomes ``?``. Once a write has failed
    (the reader of a pipe has gone, the disk of a log is full), all else is dropped:
    a build doesn't end because nobody looks any more.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lost = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has a plain attribute here
        """The encoding of the stream behind."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def is_unicode(self) -> bool:
        """Whether marks and rules beyond ASCII come out as they are meant."""
        return self.encoding.lower().replace("-", "").replace("_", "").startswith("utf")

    def isatty(self) -> bool:
        """Whether a person's terminal is behind."""
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The descriptor of the stream behind."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always: what can't be written is dropped."""
        return True

    def write(self, text: str) -> int:
        """Write, or drop."""
        if not self._lost:
            encoding = self.encoding
            try:
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except (OSError, ValueError):
                self._lost = True
        return len(text)

    def flush(self) -> None:
        """Flush, or don't."""
        if not self._lost and not self.closed:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lost = True
