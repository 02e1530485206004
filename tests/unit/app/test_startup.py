# SPDX-License-Identifier: GPL-2.0-only
"""Arguments and variables of one boot, as words of the kernel's command line."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote_to_bytes

import pytest

from unilinux.app.startup import startup_words
from unilinux.core.errors import UsageError

ODD = ["", " ", ",", "%", "a b", "'\"`$\\#;&|<>*?", "=", "ü€", "\n\t\x1b", os.fsdecode(b"\xff\xfe"), "--", "%2c"]


@pytest.mark.parametrize("items", [[one] for one in ODD] + [ODD, [""] * 3], ids=repr)
def test_any_text_comes_back(items: list[str]) -> None:
    (word,) = startup_words(items, [])
    assert re.fullmatch(r"unilinux_arguments=[A-Za-z0-9_.~/:@+=%,-]*", word)
    given = [unquote_to_bytes(item) for item in word.partition("=")[2].split(",")]
    assert given == [os.fsencode(item) for item in items]


def test_nothing_to_say_is_no_word() -> None:
    assert startup_words([], []) == ()


def test_variables_have_a_word_of_their_own() -> None:
    assert startup_words(["x"], ["A=1", "B="]) == ("unilinux_arguments=x", "unilinux_environment=A=1,B=")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], ["A"], "--env takes NAME=VALUE, not 'A'"),
        ([], ["=1"], "--env takes NAME=VALUE, not '=1'"),
        ([], [""], "--env takes NAME=VALUE, not ''"),
        (["a\0b"], [], "holds a zero byte"),
        ([], ["A=\0"], "holds a zero byte"),
    ],
)
def test_what_cannot_be_said(arguments: list[str], environment: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        startup_words(arguments, environment)
