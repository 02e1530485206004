# SPDX-License-Identifier: GPL-2.0-only
"""An image that was copied away boots, and is checked, by its own record."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boot.test_applications import PROJECT, invoke_json

pytestmark = pytest.mark.boot


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """hello, under another name than any application has."""
    built = invoke_json("build", "--app", "hello")
    folder = tmp_path / "far away"
    shutil.copytree(built["folder"], folder, ignore=shutil.ignore_patterns("runs"))
    record = json.loads((folder / "image.json").read_text())
    record |= {"app": "gone", "profile": "gone too"}
    (folder / "image.json").write_text(json.dumps(record))
    return folder


def test_it_is_verified(copied: Path) -> None:
    answer = invoke_json("verify", str(copied), "--accel", "tcg")
    assert answer["ok"]
    assert [check["kind"] for check in answer["checks"]] == ["ring", "console", "exit"]
    assert answer["image"]["folder"] == str(copied)


def test_a_check_that_fails_says_how_to_look_inside(copied: Path) -> None:
    """The command that it says boots the same image."""
    record = json.loads((copied / "image.json").read_text())
    record["manifest"]["verify"][0]["pattern"] = "^Good bye$"
    (copied / "image.json").write_text(json.dumps(record))
    options = ("--memory", "48", "--accel", "tcg", "--cmdline", "loglevel=7")
    done = subprocess.run(
        [sys.executable, "-m", "unilinux.cli", "verify", str(copied), *options, "--json"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"]) == (11, "verify")
    look = next(hint for hint in error["hint"].split("; ") if hint.startswith("look inside: "))
    program, *words = shlex.split(look.removeprefix("look inside: "))
    assert program == "./x"
    done = subprocess.run(
        [sys.executable, "-m", "unilinux.cli", *words],
        cwd=PROJECT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Hello from UniLinux" in done.stdout
    assert "loglevel=7" in done.stdout
    assert "-0x0000000002ffffff] usable" in done.stdout  # 48 MiB


def test_it_runs_with_words_of_the_users(copied: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unilinux.cli", "run", str(copied), "--accel", "tcg", "--cmdline", "loglevel=7"],
        cwd=PROJECT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Hello from UniLinux" in done.stdout
    assert "loglevel=7" in done.stdout  # the kernel's own line about its command line, which quiet would have hidden
