# SPDX-License-Identifier: GPL-2.0-only
import io
import json

from unilinux.core.events import Note, StepDetail, StepFinished, StepStarted
from unilinux.report.jsonl import JsonLines


def test_each_event_is_one_line_with_its_kind_and_time() -> None:
    stream = io.StringIO()
    with JsonLines(stream, clock=lambda: 12.34567) as sink:
        sink.emit(StepStarted(1, None, "kernel", "the\nkernel"))
        sink.emit(StepDetail(1, "mm"))
        sink.emit(StepFinished(1, "kernel", "the\nkernel", 2.5, cached=False, ok=True))
        sink.emit(Note("ünicode"))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        {"event": "step-started", "time": 12.346, "id": 1, "parent": None, "name": "kernel", "label": "the\nkernel",
         "cacheable": False},
        {"event": "step-detail", "time": 12.346, "id": 1, "text": "mm", "done": None, "total": None},
        {"event": "step-finished", "time": 12.346, "id": 1, "name": "kernel", "label": "the\nkernel",
         "seconds": 2.5, "cached": False, "ok": True},
        {"event": "note", "time": 12.346, "text": "ünicode"},
    ]  # fmt: skip
    assert stream.getvalue().isascii()
