# SPDX-License-Identifier: GPL-2.0-only
import threading

import pytest

from tests.unit.recorder import Recorder
from unilinux.core.events import Note, Progress, StepDetail, StepFinished, StepStarted


def started(recorder: Recorder) -> list[StepStarted]:
    return [event for event in recorder.events if isinstance(event, StepStarted)]


def finished(recorder: Recorder) -> list[StepFinished]:
    return [event for event in recorder.events if isinstance(event, StepFinished)]


def test_a_step_inside_a_step_knows_it() -> None:
    recorder = Recorder()
    progress = Progress(recorder)
    with progress.step("image", "the image"):
        with progress.step("kernel", "the kernel") as inner:
            inner.detail("mm")
        with progress.step("link", "linking"):
            pass
    assert [(step.name, step.parent) for step in started(recorder)] == [("image", None), ("kernel", 1), ("link", 1)]
    assert StepDetail(2, "mm") in recorder.events
    assert [step.name for step in finished(recorder)] == ["kernel", "link", "image"]


def test_a_step_that_raises_is_finished_but_not_well_and_the_next_one_is_no_child_of_it() -> None:
    recorder = Recorder()
    progress = Progress(recorder)
    with pytest.raises(ZeroDivisionError), progress.step("a", "A"):
        raise ZeroDivisionError
    with progress.step("b", "B"):
        pass
    assert [(step.name, step.ok) for step in finished(recorder)] == [("a", False), ("b", True)]
    assert started(recorder)[1].parent is None


def test_a_cached_step_says_so_and_time_is_measured() -> None:
    recorder = Recorder()
    with Progress(recorder).step("a", "A") as step:
        step.cached()
    (step_end,) = finished(recorder)
    assert step_end.cached
    assert 0 <= step_end.seconds < 10


def test_steps_of_two_threads_do_not_nest_into_each_other() -> None:
    recorder = Recorder()
    progress = Progress(recorder)

    def work() -> None:
        with progress.step("other", "in the other thread"):
            pass

    with progress.step("main", "in this thread"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert [(step.name, step.parent) for step in started(recorder)] == [("main", None), ("other", None)]


def test_a_note_is_passed_on() -> None:
    recorder = Recorder()
    Progress(recorder).note("no KVM here")
    assert recorder.events == [Note("no KVM here")]
