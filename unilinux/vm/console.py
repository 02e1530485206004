"""The serial console: drained all the time, logged with stamps, searched line by line."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from unilinux.vm.engine import Stream

# What a chatty guest leaves in memory; the log file has everything.
_KEPT_LINES = 20_000
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; ``seconds`` is when its first byte came, counted from the start."""

    seconds: float
    text: str


class Console:
    """What the guest writes to its serial port, and what is typed there.

    A guest whose output nobody reads stops, so a thread reads it from the first
    moment to the last, whether somebody is interested or not. ``log_failure`` says
    why the log file is incomplete, if it is.
    """

    def __init__(
        self, stream: Stream, log: Path, *, began: float, on_output: Callable[[bytes], None] | None = None
    ) -> None:
        self.log_failure: OSError | None = None
        self._stream = stream
        self._began = began
        self._on_output = on_output
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque(maxlen=_KEPT_LINES)
        self._count = 0  # complete lines so far, those no longer kept included
        self._partial = b""
        self._partial_seconds = 0.0
        self._closed = False
        self._log = log.open("w", encoding="utf-8", buffering=1)
        self._thread = threading.Thread(target=self._drain, name="console", daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Type ``data``. A machine that is gone takes no notice."""
        self._stream.send(data)

    def find(self, wanted: Callable[[str], object], *, deadline: float, start: int = 0) -> Line | None:
        """The first line from number ``start`` on whose text is ``wanted``, perhaps not ended yet.

        None when there is none by ``deadline`` (of :func:`time.monotonic`), or by
        the end of the console.
        """
        position = start
        with self._changed:
            while True:
                position = max(position, self._count - len(self._lines))
                for line in islice(self._lines, position - (self._count - len(self._lines)), None):
                    position += 1
                    if wanted(line.text):
                        return line
                if self._partial and wanted(text := _text(self._partial)):
                    return Line(self._partial_seconds, text)
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    return None
                self._changed.wait(min(left, threading.TIMEOUT_MAX))

    def wait_closed(self, deadline: float) -> bool:
        """Wait for the end of the console, which comes with the machine's."""
        with self._changed:
            left = min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
            return self._changed.wait_for(lambda: self._closed, left)

    def position(self) -> int:
        """The number of the line that comes next: a ``start`` for :meth:`find`."""
        with self._changed:
            return self._count

    def lines(self) -> tuple[Line, ...]:
        """What there is, including a line that isn't ended yet."""
        with self._changed:
            last = (Line(self._partial_seconds, _text(self._partial)),) if self._partial else ()
            return (*self._lines, *last)

    def tail(self, count: int) -> tuple[str, ...]:
        """The last lines that aren't blank."""
        written = [line.text for line in self.lines() if line.text.strip()]
        return tuple(written[-count:])

    def close(self) -> None:
        """Let go of the stream, the thread and the log file, once the machine has ended."""
        self._thread.join()
        self._stream.close()
        try:
            self._log.close()
        except OSError as error:
            self.log_failure = error

    def _drain(self) -> None:
        try:
            while data := self._stream.receive():
                self._show(data)
                with self._changed:
                    self._take(data)
                    self._changed.notify_all()
        finally:
            with self._changed:
                if self._partial:
                    self._end_line()
                self._closed = True
                self._changed.notify_all()

    def _show(self, data: bytes) -> None:
        if self._on_output is not None:
            try:
                self._on_output(data)
            except OSError:  # a terminal that went away must not stop the guest
                self._on_output = None

    def _take(self, data: bytes) -> None:
        now = time.monotonic() - self._began
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._extend(piece, now)
            self._end_line()
        if rest:
            self._extend(rest, now)
            if len(self._partial) > _LONGEST_LINE:
                self._end_line()

    def _extend(self, piece: bytes, now: float) -> None:
        if not self._partial:
            self._partial_seconds = now
        self._partial += piece

    def _end_line(self) -> None:
        line = Line(self._partial_seconds, _text(self._partial))
        self._partial = b""
        self._lines.append(line)
        self._count += 1
        try:
            self._log.write(f"[{line.seconds:9.3f}] {line.text}\n")
        except OSError as error:  # a full disk must not stop the guest
            self.log_failure = error


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").replace("\r", "")
