# SPDX-License-Identifier: GPL-2.0-only
import pytest

from unilinux.core.events import StepDetail
from unilinux.report.text import Counting, duration, one_line, printable, rough_duration


def test_colours_cursor_movements_and_line_ends_are_taken_out() -> None:
    assert one_line("  \x1b[1;31merror:\x1b[0m a\r\nb\x07\x1b]0;title\x07\x1b(Bc  ") == "error: a b c"
    assert one_line("\x9b31mx") == "31mx"


def test_the_indentation_of_evidence_stays() -> None:
    assert printable("\tint x;\n") == "        int x;"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (125.4, "2 min 05 s"), (3599.6, "1 h 00 min")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (40, "40 s"), (89, "89 s"), (243, "4 min"), (4200, "1 h 10 min")]
)
def test_a_time_to_come_is_rough(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (None, None, 20.0, "CC a.o"),
        (100, 400, 20.0, "100/400, about 60 s left  CC a.o"),
        (1, 400, 0.5, "1/400  CC a.o"),
        (400, 400, 20.0, "400/400  CC a.o"),
    ],
)
def test_a_step_that_counts_says_how_long_the_rest_takes(
    done: int | None, total: int | None, seconds: float, text: str
) -> None:
    counting = Counting()
    assert counting.text(StepDetail(1, "", 0, 400), 1000.0) == "0/400"
    assert counting.text(StepDetail(1, "CC a.o", done, total), 1000.0 + seconds) == text


def test_what_was_there_before_it_counted_says_nothing_of_its_speed() -> None:
    counting = Counting()
    counting.text(StepDetail(1, "", 300, 400), 500.0)
    assert counting.text(StepDetail(1, "CC a.o", 350, 400), 510.0) == "350/400, about 10 s left  CC a.o"
