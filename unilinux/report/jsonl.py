# SPDX-License-Identifier: GPL-2.0-only
"""Progress for programs: one JSON object per line."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TextIO

from unilinux.core.events import Event
from unilinux.report.sink import Reporter
from unilinux.report.stream import SafeStream


class JsonLines(Reporter):
    """Writes each event with its fields, its kind as ``event``, and ``time`` (Unix, seconds).

    >>> # {"event": "step-finished", "time": 1730000000.123, "id": 1, "name": "kernel", …}
    """

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.time) -> None:
        self._stream = SafeStream(stream)
        self._clock = clock
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Write one line."""
        kind = re.sub(r"(?<!^)(?=[A-Z])", "-", type(event).__name__).lower()
        fields = {"event": kind, "time": round(self._clock(), 3), **asdict(event)}
        line = json.dumps(fields, separators=(",", ":"))
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()
