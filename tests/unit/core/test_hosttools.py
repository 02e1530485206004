# SPDX-License-Identifier: GPL-2.0-only
"""What tools say of themselves, and when they are asked again."""

import json
import shutil
from pathlib import Path

import pytest

from unilinux.core import hosttools
from unilinux.core.errors import HostError
from unilinux.core.hosttools import KERNEL, HostTools, tool_versions


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, the only one in PATH but for what runs them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def add(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_versions_are_the_tools_own_words(tools: Path) -> None:
    add(tools, "one", "echo; echo one, of its kind; echo one 1.2.3; echo more 4")
    assert tool_versions("one") == {"one": "one 1.2.3"}


def test_a_new_version_is_seen(tools: Path, tmp_path: Path) -> None:
    add(tools, "one", "echo one 1")
    memory = tmp_path / "tools.json"
    assert HostTools(memory).identify("one") == {"one": "one 1"}
    add(tools, "one", "echo one 2.0")
    assert HostTools(memory).identify("one") == {"one": "one 2.0"}


def test_a_tool_without_a_version_counts_by_its_file(tools: Path) -> None:
    add(tools, "one", "exit 1")
    before = tool_versions("one")["one"]
    add(tools, "one", "exit 2 # another")
    assert tool_versions("one")["one"] != before


def test_a_missing_tool_counts_as_such_but_for_those_that_are_needed(
    tools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool_versions("no-such-tool") == {"no-such-tool": "missing"}
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(HostError, match="'ld' is not installed"):
        tool_versions("ld")


def test_a_program_is_asked_once_a_script_each_time(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may hand on to a program that changes alone."""
    found = shutil.which("make")
    assert found is not None
    shutil.copy2(found, tools / "make")
    add(tools, "script", "echo script 1")
    memory = tmp_path / "tools.json"
    before = HostTools(memory).identify("make", "script")
    hosttools._version.cache_clear()
    asked: list[str] = []

    def version(stamp: tuple[str, int, int, int]) -> str:
        asked.append(Path(stamp[0]).name)
        return "script 1"

    monkeypatch.setattr(hosttools, "_version", version)
    assert HostTools(memory).identify("make", "script") == before
    assert asked == ["script"]


@pytest.mark.parametrize("damage", ["", "{}", "[[1]]", '[[["/bin/sh", "x", 1, 1], "v"]]'])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, damage: str) -> None:
    memory = tmp_path / "tools.json"
    memory.write_text(damage)
    before = HostTools().identify("make")
    assert HostTools(memory).identify("make") == before
    assert json.loads(memory.read_text())


def test_the_kernels_tools_are_told_apart() -> None:
    assert {"as", "ld", "strip", "lz4", "xz", "flex", "bison"} <= tool_versions(*KERNEL).keys()
