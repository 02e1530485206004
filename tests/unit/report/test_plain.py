# SPDX-License-Identifier: GPL-2.0-only
import io

from unilinux.core.events import Note, Progress, StepDetail, StepFinished, StepStarted
from unilinux.report.plain import DETAIL_INTERVAL_S, PlainLines


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_line_for_each_begin_and_end() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as sink:
        sink.emit(Note("no KVM\nhere"))
        sink.emit(StepStarted(1, None, "image", "the image"))
        sink.emit(StepStarted(2, 1, "kernel", "the kernel", cacheable=True))
        sink.emit(StepFinished(2, "kernel", "the kernel", 0.01, cached=True, ok=True))
        sink.emit(StepStarted(3, 1, "link", "linking"))
        sink.emit(StepFinished(3, "link", "linking", 2.0, cached=False, ok=False))
        sink.emit(StepFinished(1, "image", "the image", 65.0, cached=False, ok=False))
    assert stream.getvalue() == (
        "note: no KVM here\n"
        "the image ...\n"
        "  linking ...\n"
        "  linking: FAILED after 2.0 s\n"
        "the image: FAILED after 1 min 05 s\n"
    )


def test_details_come_no_faster_than_the_interval() -> None:
    stream, clock = io.StringIO(), Clock()
    with PlainLines(stream, clock=clock) as sink:
        sink.emit(StepStarted(1, None, "kernel", "the kernel"))
        for tenths in range(101):
            clock.now = 100.0 + tenths / 10
            sink.emit(StepDetail(1, f"at {clock.now - 100:g}"))
    assert stream.getvalue().splitlines()[1:] == [
        f"the kernel: at {DETAIL_INTERVAL_S:g}",
        f"the kernel: at {2 * DETAIL_INTERVAL_S:g}",
    ]


def test_events_of_steps_that_never_began_are_no_error() -> None:
    stream = io.StringIO()
    with PlainLines(stream) as sink:
        sink.emit(StepDetail(7, "x"))
        sink.emit(StepFinished(7, "a", "A", 1.0, cached=False, ok=True))
    assert stream.getvalue() == "A: 1.0 s\n"


def test_cached_steps_are_counted_in_one_line_each_kind_once() -> None:
    stream = io.StringIO()
    with PlainLines(stream, clock=Clock()) as sink:
        progress = Progress(sink)
        with progress.step("build", "building hello"):
            for label in ("the source", "the headers", "the source"):
                with progress.step("step", label, cacheable=True) as step:
                    step.cached()
    began, ended = stream.getvalue().splitlines()
    assert began == "building hello ..."
    assert ended.startswith("building hello: ")
    assert ended.endswith(" s, 2 steps cached")


def test_what_has_to_be_made_is_said_before_with_how_long_it_took_the_last_time() -> None:
    stream = io.StringIO()
    with PlainLines(stream, clock=Clock()) as sink:
        progress = Progress(sink)
        with progress.step("build", "building hello"):
            with progress.step("kernel", "compiling Linux", cacheable=True) as step:
                step.working(251.0)
                assert stream.getvalue().splitlines() == [
                    "building hello ...",
                    "  compiling Linux ... (the last time: 4 min)",
                ]
            with progress.step("app", "compiling hello", cacheable=True) as step:
                step.working()
    assert [line.partition(":")[0] for line in stream.getvalue().splitlines()] == [
        "building hello ...",
        "  compiling Linux ... (the last time",
        "  compiling Linux",
        "  compiling hello ...",
        "  compiling hello",
        "building hello",
    ]
