# SPDX-License-Identifier: GPL-2.0-only
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
    *("setup", "apps", "new", "profiles", "build", "run", "verify", "config", "clean", "test", "check"),
    *("boot", "size", "diff", "why", "memory", "budget", "report", "ladder", "observe", "minimise"),
    *("patches.checkout", "patches.export", "patches.port", "patches.check"),
)


def invoke(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unilinux.cli", *words],
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
    usage, what, options = done.stdout.split("\n\n", 2)
    assert usage == f"Usage: ./x {task} [OPTIONS]"
    assert len(what) > 10
    assert "--json" in options
    assert "--verbose" in options


def test_the_tasks_work_with_plain_invoke_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "apps", "--json"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert "hello" in {app["name"] for app in json.loads(done.stdout)}


# What takes long to load, and what only some commands need.
HEAVY = (
    *("asyncio", "capstone", "elftools", "jinja2", "kconfiglib", "pydantic", "qemu", "rich", "unittest"),
    *("unilinux.observe", "unilinux.ops", "unilinux.verify", "unilinux.vm"),
)


def loaded(*words: str) -> tuple[set[str], str]:
    """The heavy modules that a command line loads, and what it said on standard error."""
    program = (
        "import sys, json, runpy; sys.argv = ['x', *sys.argv[1:]]\n"
        "try: runpy.run_module('unilinux.cli', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "sys.stderr.write('LOADED ' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    said, _, names = done.stderr.rpartition("LOADED ")
    return {heavy for heavy in HEAVY if any(f"{name}.".startswith(f"{heavy}.") for name in json.loads(names))}, said


@pytest.mark.parametrize("words", [("--help", "build"), ("--list",), ("build", "--app", "--help")])
def test_nothing_heavy_is_loaded_to_explain(words: tuple[str, ...]) -> None:
    assert loaded(*words) == (set(), "")


def test_a_build_does_not_load_what_it_does_not_need() -> None:
    found, said = loaded("build", "--app", "hello", "--memory", "2")
    assert "a machine cannot have 2 MiB" in said
    assert found == {"kconfiglib", "pydantic", "rich", "unilinux.ops"}  # rich draws the error
