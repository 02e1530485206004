# SPDX-License-Identifier: GPL-2.0-only
"""What can't be understood on a command line, and what is said of it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tasks
from unilinux.cli.choice import Choice
from unilinux.cli.program import Commands, check_words
from unilinux.core.errors import UsageError

PROJECT = Path(__file__).parents[3]
# Once: invoke hands out the help of an option only the first time.
CONTEXTS = {str(one.name): one for one in tasks.namespace.to_contexts()}


def check(*words: str) -> None:
    check_words(words, CONTEXTS, PROJECT)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("biuld",), "there is no command 'biuld'; did you mean 'build'?"),
        (("--help", "biuld"), "there is no command 'biuld'; did you mean 'build'?"),
        (("build", "--bogus", "--app", "hello"), "build has no option --bogus"),
        (("build", "--ap", "hello"), "build has no option --ap; did you mean '--app'?"),
        (("build", "-a", "hello"), "build has no option -a"),
        (("build", "--app"), "--app needs a value"),
        (("build", "--json=yes", "--app", "hello"), "--json takes no value"),
        (("verify", "--app", "hello", "--timeout", "0x"), "--timeout takes a number, not '0x'"),
        (("boot", "--app", "hello", "--runs", "2.5"), "--runs takes a whole number, not '2.5'"),
        (("build", "hello", "nginx"), "build can do nothing with 'nginx'"),
        (("patches.port",), "patches.port needs --kernel: the kernel that gets a series"),
        (("diff", "hello"), "diff needs --b: another one"),
    ],
)
def test_what_cannot_be_understood(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(*words)
    assert caught.value.message.startswith(message)
    assert str(caught.value.hint or "--").count("./x") or "takes" in message


def test_what_stands_behind_two_dashes_is_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Choice] = []
    monkeypatch.setattr("unilinux.cli.commands.boots.run", lambda _, choice, **__: asked.append(choice))
    words = ["--port", "81", "", "-h", "a 'b\"", "--", "--json", "A=B"]
    Commands(tasks.namespace, PROJECT).run(["./x", "run", "--app", "hello", "--env", "A=B=C", "--env=D=", "--", *words])
    assert [choice.env for choice in asked] == [("A=B=C", "D=")]
    assert [shlex.split(choice.arguments) for choice in asked] == [words]


def test_a_command_that_starts_no_application_takes_no_arguments_for_it() -> None:
    with pytest.raises(SystemExit) as caught:
        Commands(tasks.namespace, PROJECT).run(["./x", "build", "--app", "hello", "--", "x"])
    assert caught.value.code == 2


def test_only_a_near_option_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        check("build", "--bogus", "--app", "hello")
    assert caught.value.message == "build has no option --bogus"


def test_a_missing_application_comes_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="build needs an application: --app NAME") as caught:
        check("build")
    assert "busybox, golang, hello, influxdb" in caught.value.details[0]
    assert str(caught.value.hint).startswith("./x build --app hello\n")


@pytest.mark.parametrize(
    "line",
    [
        "build --app hello", "build hello --json", "build --app=hello --kernel=6.1", "diff a b --no-boots",
        "minimise --app hello --budget-minutes -1", "run --app nginx --forward 8080:80 --forward 1:2",
        "apps", "build --app hello verify --app nginx", "--list", "--help build", "patches.check",
        "build --app hello --memory 64", "size --app hello --kernel 6.1", "boot --app hello --kernel 6.1",
        "memory --app hello --kernel 6.1", "config --app hello --memory 64", "why hello EPOLL --memory 64",
    ],
)  # fmt: skip
def test_what_is_understood(line: str) -> None:
    check(*line.split())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unilinux.cli", *words],
        cwd=PROJECT, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_wrong_line_is_a_usage_error_and_json_if_asked_for() -> None:
    done = run("verify", "--app", "hello", "--timeout", "0x", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["message"] == "--timeout takes a number, not '0x'"
    assert "Traceback" not in done.stderr


def test_help_behind_an_option_that_wants_a_value() -> None:
    done = run("build", "--app", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ./x build [OPTIONS]")
    assert "a folder with an app.toml" in done.stdout


def test_alone_it_lists_all_commands() -> None:
    listed = run().stdout
    assert all(name in listed for name in ("build", "patches.port", "minimise"))
