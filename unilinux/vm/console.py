# SPDX-License-Identifier: GPL-2.0-only
"""The serial console: drained all the time, logged with stamps, searched line by line."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from unilinux.vm.engine import Stream
from unilinux.vm.log import CappedLog

# What a chatty guest leaves in memory; the log file has more.
_KEPT_LINES = 20_000
_KEPT_CHARACTERS = 16 << 20
_LONGEST_LINE = 64 * 1024
_LONGEST_WAIT_S = 3600.0  # clocks of threads don't count for ever

# A kernel's message behind an unfinished line of the application is a line of its own.
_LAST_WORDS = re.compile(r"(?:\[ *\d+\.\d+\] )?unilinux: init (?:exited with status|killed by signal) \d")


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end; ``seconds`` is when its first byte came, counted from the start.

    ``ended``: its end has come too; otherwise more of it may follow.
    """

    seconds: float
    text: str
    ended: bool = True


def never() -> bool:
    """For :meth:`Console.find`: nothing else ends the search."""
    return False


class Console:
    """What the guest writes to its serial port, and what is typed there.

    A guest whose output nobody reads stops, so a thread reads it from the first
    moment to the last, whether somebody is interested or not. Whoever waits for it
    waits on ``changed``.
    """

    def __init__(
        self,
        stream: Stream,
        log: CappedLog,
        changed: threading.Condition,
        *,
        began: float,
        on_output: Callable[[bytes], None] | None = None,
    ) -> None:
        self._stream = stream
        self._began = began
        self._on_output = on_output
        self._changed = changed
        self._lines: deque[Line] = deque()
        self._characters = 0
        self._count = 0  # complete lines so far, those no longer kept included
        self._bytes = 0  # that have come so far
        self._partial = b""
        self._partial_seconds = 0.0
        self._closed = False
        self._log = log
        self._thread = threading.Thread(target=self._drain, name="console", daemon=True)
        self._thread.start()

    @property
    def log_failure(self) -> OSError | None:
        """Why the log file is incomplete, if it is."""
        return self._log.failure

    @property
    def closed(self) -> bool:
        """Whether it has ended, which comes with the machine's end."""
        with self._changed:
            return self._closed

    def send(self, data: bytes) -> None:
        """Type ``data``. A machine that is gone takes no notice."""
        self._stream.send(data)

    def find(
        self, wanted: Callable[[str], object], *, deadline: float, start: int = 0, until: Callable[[], bool] = never
    ) -> Line | None:
        """The first line from number ``start`` on whose text is ``wanted``, perhaps one that isn't ended yet.

        None when there is none by ``deadline`` (of :func:`time.monotonic`), by the end of
        the console, or when ``until`` says so, which is asked whenever ``changed`` is notified.
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
                    return Line(self._partial_seconds, text, ended=False)
                left = deadline - time.monotonic()
                if self._closed or left <= 0 or until():
                    return None
                self._changed.wait(min(left, _LONGEST_WAIT_S))

    def is_still(self, line: Line, quiet_s: float) -> bool:
        """Whether a line that isn't ended stays as it is for so long; False as soon as it grows or ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or _text(self._partial) != line.text, quiet_s)
            return _text(self._partial) == line.text

    def wait_quiet(self, quiet_s: float) -> None:
        """Wait until nothing more has come for so long: all of it is read then, if the guest writes no more."""
        with self._changed:
            while not self._closed and self._changed.wait_for(self._has_more_than(self._bytes), quiet_s):
                pass

    def wait_closed(self, deadline: float, *, until: Callable[[], bool] = never) -> bool:
        """Wait for the end of the console, which comes with the machine's; ``until`` as for :meth:`find`."""
        with self._changed:
            while not (self._closed or until()) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(min(left, _LONGEST_WAIT_S))
            return self._closed

    def position(self) -> int:
        """The number of the line that comes next: a ``start`` for :meth:`find`."""
        with self._changed:
            return self._count

    def lines(self) -> tuple[Line, ...]:
        """What there is, including a line that isn't ended yet."""
        with self._changed:
            last = (Line(self._partial_seconds, _text(self._partial), ended=False),) if self._partial else ()
            return (*self._lines, *last)

    def tail(self, count: int) -> tuple[str, ...]:
        """The last lines that aren't blank."""
        written = [line.text for line in self.lines() if line.text.strip()]
        return tuple(written[-count:])

    def close(self) -> None:
        """Let go of the stream, the thread and the log file, once the machine has ended."""
        self._thread.join()
        self._stream.close()
        self._log.close()

    def _has_more_than(self, count: int) -> Callable[[], bool]:
        return lambda: self._closed or self._bytes > count

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
        self._bytes += len(data)
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
        text = _text(self._partial)
        self._partial = b""
        kernels = _LAST_WORDS.search(text)
        at = kernels.start() if kernels else 0
        for piece in (text[:at], text[at:]) if at else (text,):
            self._keep(Line(self._partial_seconds, piece))

    def _keep(self, line: Line) -> None:
        self._lines.append(line)
        self._count += 1
        self._characters += len(line.text)
        while len(self._lines) > _KEPT_LINES or self._characters > _KEPT_CHARACTERS:
            self._characters -= len(self._lines.popleft().text)
        self._log.line(f"[{line.seconds:9.3f}] {line.text}")


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").replace("\r", "")
