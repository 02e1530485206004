# SPDX-License-Identifier: GPL-2.0-only
"""From a command line's options to the image that is meant."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from unittest.mock import Mock

import pytest

from unilinux.cli.choice import Choice, helps, repeatable, taking
from unilinux.core.errors import UsageError


@pytest.fixture
def do() -> Mock:
    return Mock()


@pytest.fixture
def command(do: Mock) -> Callable[..., None]:
    @taking("app", "kernel", "forward")
    def command(choice: Choice, runs: int = 3) -> None:
        """Do it."""
        do(choice, runs)

    return command


def test_the_choices_options_come_before_the_commands_own(command: Callable[..., None]) -> None:
    parameters = signature(command).parameters
    assert list(parameters) == ["context", "app", "kernel", "forward", "runs"]
    assert [parameters[name].default for name in ("app", "kernel", "forward", "runs")] == [Parameter.empty, "", None, 3]
    assert command.__doc__ == "Do it."


def test_what_was_said_is_the_choice(do: Mock, command: Callable[..., None]) -> None:
    command(object(), app="nginx", kernel="6.1", forward=["8080:80"], runs=5)
    do.assert_called_once_with(Choice(app="nginx", kernel="6.1", forward=("8080:80",)), 5)


def test_an_option_that_it_does_not_take(do: Mock, command: Callable[..., None]) -> None:
    with pytest.raises(TypeError, match="memory"):
        command(object(), app="nginx", kernel="", forward=[], memory=9)
    do.assert_not_called()


def test_arguments_and_variables_become_words_of_the_command_line() -> None:
    words = Choice(app="hello", env=("A=b c",), arguments="--port '8 1' \"\"", cmdline="quiet").request().words
    assert words == ("unilinux_arguments=--port,8%201,", "unilinux_environment=A=b%20c", "quiet")


def test_arguments_without_an_end_of_their_quote() -> None:
    with pytest.raises(UsageError, match="No closing quotation"):
        Choice(app="hello", arguments="'x").request()


def test_each_option_has_a_help() -> None:
    names = list(Choice.__dataclass_fields__)
    assert [name for name, text in helps(*names).items() if not text] == []


def test_repeatable_options() -> None:
    assert repeatable("app", "kernel", "forward") == ("forward",)
    assert repeatable("app", "kernel") == ()
