# SPDX-License-Identifier: GPL-2.0-only
"""What the caller's variables and the user's configuration of git and tar can't change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.kernel.conftest import Workshop, make_workshop
from unilinux.core.files import digest_tree
from unilinux.kernel.series import load_series
from unilinux.kernel.worktree import Worktree, check, checkout, export

VARIABLES = {
    "GIT_DIR": "/nowhere/.git", "GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "apply.whitespace", "GIT_CONFIG_VALUE_0": "error-all",
    "GIT_AUTHOR_NAME": "Somebody Else", "TAR_OPTIONS": "--exclude=exit.c", "MAKEFLAGS": "-n", "POSIXLY_CORRECT": "1",
}  # fmt: skip
CONFIGURATION = """
[apply]
    whitespace = fix
    ignoreWhitespace = change
[core]
    autocrlf = true
    abbrev = 5
    hooksPath = {hooks}
[diff]
    noprefix = true
    algorithm = patience
[format]
    signature = mine
    numbered = true
[commit]
    gpgsign = true
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "hostile home"
    home.mkdir()
    (home / ".gitconfig").write_text(CONFIGURATION.format(hooks=home))
    monkeypatch.setenv("HOME", str(home))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def trailing_blanks(workshop: Workshop) -> None:
    """A patch whose lines end with blanks, which a configuration of git may take away."""
    workshop.write_patches(one=("kernel/exit.c", "return third;", "return third + 1;   "))


def test_a_tree_is_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    digests = []
    for place in ("usual", "hostile"):
        workshop = make_workshop(tmp_path / place, tmp_path / place / "cache")
        trailing_blanks(workshop)
        if place == "hostile":
            request.getfixturevalue("hostile")
        tree = workshop.tree().path
        assert "third + 1;   " in (tree / "kernel/exit.c").read_text()
        digests.append(digest_tree(tree))
    assert digests[0] == digests[1]


def test_a_series_comes_back_the_same(workshop: Workshop, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    trailing_blanks(workshop)
    before = {path.name: path.read_bytes() for path in workshop.series.iterdir()}
    tree = workshop.tree()
    source = workshop.write_source()
    request.getfixturevalue("hostile")
    worktree = Worktree(tmp_path / "work", tmp_path / "log")
    checkout(load_series(workshop.series), source, worktree)
    export(worktree, workshop.series)
    assert {path.name: path.read_bytes() for path in workshop.series.iterdir()} == before
    check(load_series(workshop.series), tree.path, tree.originals, log=tmp_path / "log")
