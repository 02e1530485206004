# SPDX-License-Identifier: GPL-2.0-only
import io

import pytest

from unilinux.core.errors import UsageError
from unilinux.report.choose import choose_sink
from unilinux.report.jsonl import JsonLines
from unilinux.report.plain import PlainLines
from unilinux.report.sink import Reporter
from unilinux.report.terminal import LiveTree


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"TERM": "xterm"}, LiveTree),
        ({"TERM": "xterm", "CI": ""}, LiveTree),
        ({"TERM": "xterm", "CI": "false"}, LiveTree),
        ({"TERM": "xterm", "CI": "true"}, PlainLines),
        ({"TERM": "dumb"}, PlainLines),
        ({}, PlainLines),
        ({"TERM": "xterm", "UNILINUX_PROGRESS": "json"}, JsonLines),
        ({"CI": "1", "UNILINUX_PROGRESS": "tree"}, LiveTree),
        ({"UNILINUX_PROGRESS": "none"}, Reporter),
    ],
)
def test_a_terminal_gets_what_fits_and_what_was_asked_for(environ: dict[str, str], kind: type) -> None:
    assert type(choose_sink(Tty(), environ)) is kind


def test_a_file_gets_plain_lines_and_an_argument_wins_over_the_variable() -> None:
    assert type(choose_sink(io.StringIO(), {"TERM": "xterm"})) is PlainLines
    assert type(choose_sink(io.StringIO(), {"UNILINUX_PROGRESS": "tree"}, mode="json")) is JsonLines


def test_an_unknown_mode_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no kind of progress 'jsno'; did you mean 'json'\?") as raised:
        choose_sink(io.StringIO(), {"UNILINUX_PROGRESS": "jsno"})
    assert raised.value.hint == "set UNILINUX_PROGRESS to one of them, or unset it"
