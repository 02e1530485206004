# SPDX-License-Identifier: GPL-2.0-only
"""A stock kernel beside ours, and two images side by side, as a user asks for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.boot, pytest.mark.slow]

PROJECT = Path(__file__).parents[2]


def answer(*words: str) -> Any:
    """The JSON answer of a task."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words, "--json"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_debians_cloud_kernel_takes_a_hundred_times_as_long_to_pid1() -> None:
    found = answer("boot", "--app", "hello", "--runs", "1", "--against", "debian-cloud")
    ours, theirs = found["stages"], found["against"]["stages"]
    assert found["against"]["symbols"]
    assert theirs["pid1"]["instructions"] > 1_000_000_000 > 100 * ours["pid1"]["instructions"]
    assert theirs["decompression"]["spent"] > 500_000_000
    assert {"entry", "core", "initcalls.device", "main", "exit"} < theirs.keys()
    assert theirs["main"]["memory_bytes"] > 3 * ours["main"]["memory_bytes"]
    assert sum(stage["spent"] for stage in theirs.values()) <= found["against"]["total"]


def test_an_image_differs_from_another_in_what_it_has_more() -> None:
    for app in ("hello", "lua"):
        answer("build", "--app", app)
    found = answer("diff", "hello", "lua")
    parts = {row["name"]: row for row in found["sizes"]["parts"]}
    assert parts["application"]["b"] > parts["application"]["a"]
    assert found["boots"]["b"]["stages"]["main"]["instructions"] > 1_000_000
    assert answer("diff", "hello", str(PROJECT / "build/hello-tiny"), "--no-boots")["config"] == []
