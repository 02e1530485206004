# SPDX-License-Identifier: GPL-2.0-only
"""The project keeps its own rules: linters, types, layers, sizes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.style import rules

PROJECT = Path(__file__).parents[2]
_ALL = ("", "unilinux", "tests", "apps")
_SKIPPED = {".git", ".venv", "build", "data", "__pycache__"}


def _sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> Iterator[tuple[str, str]]:
    """Path within the project and text of each source file below ``folders`` ('' is the project's own folder)."""
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*") if folder else PROJECT.glob("*")):
            name = path.relative_to(PROJECT)
            if path.is_file() and path.suffix in suffixes and not _SKIPPED.intersection(name.parts):
                yield name.as_posix(), path.read_text()


def _assert_none(problems: Iterable[rules.Problem]) -> None:
    found = [str(problem) for problem in problems]
    assert not found, "\n" + "\n".join(found)


def _run(*argv: str) -> None:
    """A tool of this Python's environment, or else of the host, on the project's folder."""
    folder = Path(sys.executable).parent
    program = shutil.which(argv[0], path=f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert program is not None, f"{argv[0]} is not installed; ./x setup installs it"
    done = subprocess.run([program, *argv[1:]], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(("ruff", "check"), id="ruff"),
        pytest.param(("ruff", "format", "--check"), id="format"),
        pytest.param(("mypy",), id="mypy"),
        pytest.param(("lint-imports", "--no-logo"), id="layers"),
        pytest.param(("shellcheck", "x", ".ci/run"), id="shellcheck"),
    ],
)
def test_linter(argv: tuple[str, ...]) -> None:
    _run(*argv)


@pytest.mark.parametrize(
    ("rule", "folders", "suffixes"),
    [
        pytest.param(rules.long_file, _ALL, (".py", ".c", ".h", ".S", ".sh", ""), id="files"),
        pytest.param(rules.long_functions, _ALL, (".py",), id="functions"),
        pytest.param(rules.missing_licence, (*_ALL, ".ci"), (".py", ".c", ".h", ".S", ".sh", ""), id="licences"),
        pytest.param(rules.prints_and_exits, ("unilinux",), (".py",), id="prints"),
        pytest.param(rules.missing_docstring, ("", "unilinux"), (".py",), id="docstrings"),
    ],
)
def test_rule(
    rule: Callable[[str, str], Iterator[rules.Problem]], folders: tuple[str, ...], suffixes: tuple[str, ...]
) -> None:
    _assert_none(problem for path, text in _sources(*folders, suffixes=suffixes) for problem in rule(path, text))


def test_each_third_party_package_has_one_owner() -> None:
    known = frozenset(rules.owned_packages(PROJECT / "pyproject.toml"))
    _assert_none(problem for path, text in _sources("unilinux") for problem in rules.foreign_imports(path, text, known))


def test_ci_runs_just_what_the_readme_tells() -> None:
    lines = (PROJECT / ".ci/run").read_text().splitlines()
    commands = [line for line in lines if line.startswith("./x")]
    assert commands == ["./x setup", "./x test"]
    told = [line.strip().removeprefix("$ ") for line in (PROJECT / "README.md").read_text().splitlines()]
    assert [command for command in commands if command not in told] == []


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this is no clone")
def test_what_is_made_here_is_not_in_the_repository() -> None:
    def tracked(*options: str) -> list[str]:
        argv = ["git", "ls-files", *options]
        return subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.splitlines()

    assert tracked("--cached", "--ignored", "--exclude-standard") == []
    links = [line for line in tracked("--stage") if line.startswith("120000")]
    assert links == [], "a link can lead to what only its author has"


def test_the_rules_look_at_something() -> None:
    names = {name for name, _ in _sources("", "unilinux", suffixes=(".py", ""))}
    assert {"x", "unilinux/core/errors.py", "unilinux/report/terminal.py"} <= names
