# SPDX-License-Identifier: GPL-2.0-only
import io

import pytest

from unilinux.core.errors import BuildError, ManifestError, UniLinuxError
from unilinux.report.failure import exit_code, show_failure


def _shown(error: BaseException, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    assert show_failure(error, stream, verbose=verbose) == exit_code(error)
    return stream.getvalue()


def test_an_error_is_shown_with_its_evidence_and_the_next_command() -> None:
    error = BuildError(
        "hello.c does not compile\nin profile tiny",
        details=["\x1b[1mhello.c:3:5: error: [bold]x[/bold] undeclared\x1b[0m", "    3 |\tx = 1;"],
        hint="./x build --app hello --verbose",
    )
    stream = io.StringIO()
    assert show_failure(error, stream) == 8
    assert stream.getvalue() == (
        "error: hello.c does not compile\n"
        "       in profile tiny\n"
        "  │ hello.c:3:5: error: [bold]x[/bold] undeclared\n"
        "  │     3 | x = 1;\n"
        "hint: ./x build --app hello --verbose\n"
    )


def test_without_details_and_hint_there_is_one_line() -> None:
    assert _shown(ManifestError("bad")) == "error: bad\n"


def test_long_evidence_keeps_its_beginning_and_its_end() -> None:
    lines = _shown(BuildError("bad", details=[f"line {number}" for number in range(1000)])).splitlines()
    assert len(lines) <= 40
    assert lines[1] == "  │ line 0"
    assert "  │ ... 970 lines are left out here ..." in lines
    assert lines[-1] == "  │ line 999"


def test_a_long_line_is_not_broken() -> None:
    assert "x" * 500 in _shown(BuildError("bad", details=["x" * 500]))


def test_a_bug_is_called_one_and_exits_apart_from_all_kinds_of_errors() -> None:
    assert _shown(ValueError("what?")) == (
        "internal error: ValueError: what?\n"
        "this is a bug in UniLinux; the same command with --verbose shows where\n"
    )  # fmt: skip
    assert exit_code(ValueError()) == 70
    assert exit_code(UniLinuxError("x")) == 1


def test_ctrl_c_is_no_error() -> None:
    assert _shown(KeyboardInterrupt()) == "interrupted\n"
    assert exit_code(KeyboardInterrupt()) == 130


@pytest.mark.parametrize("error", [BuildError("bad"), ValueError("bad"), KeyboardInterrupt()])
def test_verbose_adds_the_traceback(error: BaseException) -> None:
    def where_it_began() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        where_it_began()
    assert "where_it_began" in _shown(raised.value, verbose=True)
    assert "where_it_began" not in _shown(raised.value)


def test_a_terminal_without_unicode_gets_none() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show_failure(BuildError("für", details=["x"]), stream)
    stream.flush()
    assert raw.getvalue() == b"error: f?r\n  | x\n"
