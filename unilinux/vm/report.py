# SPDX-License-Identifier: GPL-2.0-only
"""The report port: what the kernel alone says to the host, beside the console that everybody writes to.

ASCII lines on I/O port 0xe9 (see docs/architecture.md):

``init``
    the kernel has started the first program
``exec ring=0 syscall=lean``
    init has become the application: its privilege ring, and how it entered the kernel for that
``oom TEXT``
    memory ran out, and the application or everything else that could be ended has been
``panic TEXT``
    the kernel panics
``stop N``
    a break on the console asks the application to stop: the kernel sends it this signal
``exit N``, ``signal N``
    how PID 1 ended
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from dataclasses import dataclass, replace

# More than the kernel ever says; a program in ring 0 could write here without end.
_LONGEST_LINE = 4096
_LOOK_AGAIN_S = 0.01

_EXEC = re.compile(r"exec ring=(?P<ring>[0-3]) syscall=(?P<syscall>trap|gate|lean)")
_STOP = re.compile(r"stop (?P<number>\d{1,2})")
_END = re.compile(r"(?P<kind>exit|signal) (?P<number>\d{1,3})")


@dataclass(frozen=True, slots=True)
class Started:
    """Init has become the application: in this ring, with system calls by this way, after so many seconds."""

    ring: int
    syscall: str
    seconds: float

    def explain(self) -> str:
        """One sentence."""
        return f"the application runs in ring {self.ring}, its system calls go by {self.syscall}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the kernel has said so far. Of each word the first counts, since a panic may follow a panic.

    ``has_init``: the kernel speaks these words and has started PID 1, so what it doesn't
    say here isn't so, whatever the console says. ``stop`` is the signal that it sent PID 1.
    ``end`` is ``("exit", 3)`` or ``("signal", 11)``.
    """

    has_init: bool = False
    started: Started | None = None
    shortage: str | None = None
    panic: str | None = None
    stop: int | None = None
    end: tuple[str, int] | None = None

    def with_line(self, line: str, seconds: float) -> Report:
        """This report and one more line; words that aren't known change nothing."""
        word, _, text = line.partition(" ")
        if line == "init":
            return replace(self, has_init=True)
        if self.started is None and (found := _EXEC.fullmatch(line)):
            return replace(self, started=Started(int(found["ring"]), found["syscall"], seconds))
        if word == "oom" and self.shortage is None:
            return replace(self, shortage=text or "the kernel found no memory")
        if word == "panic" and self.panic is None:
            return replace(self, panic=text or "it did not say why")
        if self.stop is None and (found := _STOP.fullmatch(line)):
            return replace(self, stop=int(found["number"]))
        if self.end is None and (found := _END.fullmatch(line)):
            return replace(self, end=(found["kind"], int(found["number"])))
        return self


def read_report(text: str) -> Report:
    """The report that these lines make."""
    report = Report()
    for line in text.splitlines():
        report = report.with_line(line, 0.0)
    return report


class ReportPort:
    """Reads the port from the first moment to the last, in a thread of its own.

    Whoever waits for what it says waits on ``changed``, which the console shares.
    """

    def __init__(self, stream: socket.socket, changed: threading.Condition, *, began: float) -> None:
        self._stream = stream
        self._changed = changed
        self._began = began
        self._report = Report()
        self._partial = b""
        self._closed = False
        self._thread = threading.Thread(target=self._drain, name="report", daemon=True)
        self._thread.start()

    @property
    def report(self) -> Report:
        """What the kernel has said so far."""
        with self._changed:
            return self._report

    def catch_up(self) -> None:
        """Wait until all is read that the machine has written so far."""
        with self._changed:
            while not self._closed and select.select([self._stream], [], [], 0)[0]:
                self._changed.wait(_LOOK_AGAIN_S)

    def wait_closed(self, timeout_s: float) -> None:
        """Wait until all is read, which takes the machine's end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout_s)

    def close(self) -> None:
        """Let go of the stream and the thread, once the machine has ended."""
        try:
            self._stream.shutdown(socket.SHUT_RDWR)  # wakes the thread if the other side is still there
        except OSError:
            pass
        self._thread.join()
        self._stream.close()

    def _drain(self) -> None:
        try:
            # What has come is either still in the socket or part of the report: :meth:`catch_up` relies on it.
            while self._receive(1, socket.MSG_PEEK):
                with self._changed:
                    self._take(self._receive(4096))
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._end_line(self._partial)  # QEMU may end before the end of a line
                self._closed = True
                self._changed.notify_all()

    def _receive(self, size: int, flags: int = 0) -> bytes:
        try:
            return self._stream.recv(size, flags)
        except OSError:
            return b""

    def _take(self, data: bytes) -> None:
        *ended, rest = (self._partial + data).split(b"\n")
        for line in ended:
            self._end_line(line)
        self._partial = rest[:_LONGEST_LINE]

    def _end_line(self, line: bytes) -> None:
        text = line[:_LONGEST_LINE].decode("ascii", errors="replace").rstrip("\r")
        self._report = self._report.with_line(text, time.monotonic() - self._began)
