"""The tasks as commands: what a user sees of wrong names, and of --help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


TASKS = (
    *("setup", "apps", "profiles", "build", "run", "verify", "config", "clean", "test", "check"),
    *("boot", "size", "diff", "why", "memory", "budget", "report", "ladder", "observe", "minimise"),
    *("patches.checkout", "patches.export", "patches.port", "patches.check"),
)


def invoke(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "--app", "ngnix"), "there is no application 'ngnix'; did you mean 'nginx'?"),
        (("build", "--app", "hello", "--profile", "tyni"), "there is no profile 'tyni'; did you mean 'tiny'?"),
        (("build", "--app", "hello", "--machine", "mircovm"), "there is no machine 'mircovm'; did you mean 'microvm'?"),
        (("run", "--app", "nginx", "--forward", "eighty"), "cannot read the forward 'eighty'"),
        (("minimise", "--app", "helo"), "there is no application 'helo'; did you mean 'hello'?"),
        (("minimise", "--app", "hello", "--budget-minutes", "-1"), "the time cannot be negative"),
        (("run", "--app", "hello", "--memory", "2"), "a machine cannot have 2 MiB of memory"),
    ],
    ids=["app", "profile", "machine", "forward", "minimise app", "minimise time", "memory"],
)
def test_wrong_names(words: tuple[str, ...], message: str) -> None:
    done = invoke(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_verbose_adds_the_traceback() -> None:
    assert "Traceback" in invoke("build", "--app", "ngnix", "--verbose").stderr


def test_lists_are_json_on_request() -> None:
    apps = json.loads(invoke("apps", "--json").stdout)
    assert {"hello", "nginx", "redis", "memcached", "lighttpd", "lua"} <= {app["name"] for app in apps}
    profiles = json.loads(invoke("profiles", "--json").stdout)
    assert {"tiny", "net", "server", "debug", "smp"} <= {profile["name"] for profile in profiles}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_explains_itself(task: str) -> None:
    done = invoke("--help", task)
    assert done.returncode == 0
    assert "none" not in done.stdout.split("Docstring:")[1].split("Options:")[0]
