import pytest

from unilinux.report.text import duration, one_line, printable


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
