# SPDX-License-Identifier: GPL-2.0-only
"""Another clone with a cache of its own: killed, run twice at once, and still the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from unilinux.core.layout import Layout

PROJECT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "invoke", "build", "--app", "hello", "--bzimage", "--json")

# The kernel is compiled once more, from nothing.
pytestmark = [pytest.mark.tree, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in another folder, whose name has a space."""
    target = tmp_path_factory.mktemp("another place") / "a clone"
    target.mkdir()
    for name in ("apps", "configs", "patches", "unilinux", "tasks.py"):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target


def link_or_copy(source: str, target: str) -> None:
    """A second name for a file, or a copy where that lies on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def environment(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A cache in a folder of its own, empty but for what was downloaded."""
    # Without a space in its path, which is refused (core.layout).
    own = tmp_path_factory.mktemp("cache")
    shared = Layout.of(PROJECT, os.environ).cache
    for name in ("downloads", "apt"):
        shutil.copytree(shared / name, own / name, symlinks=True, copy_function=link_or_copy)
    # Nor may a compiler's cache hide what differs.
    return {**os.environ, "UNILINUX_CACHE": str(own), "CCACHE_DISABLE": "1", "PYTHONPATH": str(clone)}


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    output, errors = process.communicate(timeout=1200)
    assert process.returncode == 0, errors
    answer: dict[str, object] = json.loads(output)
    return answer


def start(clone: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        COMMAND, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def count_objects(folder: Path) -> int:
    """How many objects there are; files may come and go meanwhile."""
    return sum(name.endswith(".o") for _, _, names in os.walk(folder) for name in names)


def kill_in_the_middle(clone: Path, environment: Mapping[str, str]) -> int:
    """kill -9 while the kernel compiles; how many of its objects there are then."""
    objects = Path(environment["UNILINUX_CACHE"], "store", "kernel-objects")
    process = start(clone, environment)
    try:
        deadline = time.monotonic() + 900
        while count_objects(objects) < 60:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return count_objects(objects)


def test_same_bytes_after_kill_and_race(clone: Path, environment: Mapping[str, str]) -> None:
    there = kill_in_the_middle(clone, environment)
    one, two = start(clone, environment), start(clone, environment)
    answers = [finish(one), finish(two)]
    assert there >= 60

    # Each step was made by one of the two, and found by the other.
    made = [{s["name"] for s in answer["steps"] if not s["cached"]} for answer in answers]  # type: ignore[attr-defined]
    assert not made[0] & made[1]
    assert {"kernel-objects", "kernel-image"} <= made[0] | made[1]

    ours = subprocess.run(COMMAND, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert sorted(answers[0]["artifacts"]) == sorted(json.loads(ours.stdout)["artifacts"])  # type: ignore[call-overload]
    for name in ("vmlinux", "bzImage", "vmlinux.debug", "System.map", "config", "image.json"):
        mine, other = PROJECT / "build/hello-tiny" / name, clone / "build/hello-tiny" / name
        assert mine.read_bytes() == other.read_bytes(), f"{name} differs: {mine} and {other}"


def test_application_alone_is_relinked(clone: Path, environment: Mapping[str, str]) -> None:
    finish(start(clone, environment))
    source = clone / "apps/hello/hello.c"
    source.write_text(source.read_text().replace("10 ms have passed", "ten ms have passed"))
    steps = finish(start(clone, environment))["steps"]
    made = {step["name"] for step in steps if not step["cached"]}  # type: ignore[attr-defined]
    # Another program makes other system calls and may hold other opcodes: it is scanned again.
    assert made == {"app-hello", "scan", "initramfs", "kernel-image", "kernel-bzimage"}
