# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of the source beyond the linters: short files and functions, and who may do what."""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
# Beside what is longer: in one of a file's first lines, on a function's first line or on the line above it.
EXCUSE = "# long: "
_FIRST_LINES = 5
LICENCE = "SPDX-License-Identifier:"

# The one place that turns errors into exit codes.
_MAY_EXIT = ("unilinux/cli/",)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to mend in a file."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def _excused(lines: list[str]) -> bool:
    return any(line.partition(EXCUSE)[2].strip() for line in lines)


def long_file(path: str, text: str) -> Iterator[Problem]:
    """A file of more than ``MAX_FILE_LINES``."""
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES and not _excused(lines[:_FIRST_LINES]):
        yield Problem(path, 1, f"{len(lines)} lines, more than {MAX_FILE_LINES}, without a reason ({EXCUSE}...)")


def long_functions(path: str, text: str) -> Iterator[Problem]:
    """Functions of more than ``MAX_FUNCTION_LINES``, with their signature and docstring, without decorators."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION_LINES and not _excused(lines[max(0, node.lineno - 2) : node.lineno]):
                yield Problem(path, node.lineno, f"{node.name}() has {length} lines, more than {MAX_FUNCTION_LINES}")


def _is_program(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def prints_and_exits(path: str, text: str) -> Iterator[Problem]:
    """``print()``, ``sys.exit()`` and the like: the library returns values and raises errors.

    A module that is run as a program of its own may exit under ``if __name__ == "__main__"``.
    """
    tree = ast.parse(text, path)
    tree.body = [node for node in tree.body if not _is_program(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("print", "exit", "quit", "sys.exit", "os._exit", "os.abort"):
                yield Problem(path, node.lineno, f"{called}() in the library")
        elif isinstance(node, ast.Raise) and node.exc is not None and not path.startswith(_MAY_EXIT):
            raised = ast.unparse(node.exc).partition("(")[0]
            if raised == "SystemExit":
                yield Problem(path, node.lineno, "SystemExit raised in the library")


def missing_docstring(path: str, text: str) -> Iterator[Problem]:
    """A module that doesn't say what it is for."""
    if not ast.get_docstring(ast.parse(text, path)):
        yield Problem(path, 1, "the module has no docstring")


def missing_licence(path: str, text: str) -> Iterator[Problem]:
    """A source file that doesn't say its licence in the first line, or in the second one behind ``#!``.

    A file without a suffix is one when it is a script.
    """
    lines = text.splitlines()
    is_script = bool(lines) and lines[0].startswith("#!")
    if not is_script and not Path(path).suffix:
        return
    if not lines or LICENCE not in "".join(lines[1 if is_script else 0 :][:1]):
        yield Problem(path, 1, f"the file begins without {LICENCE} and its licence")


def foreign_imports(path: str, text: str, known: frozenset[str]) -> Iterator[Problem]:
    """Imports of packages that aren't the standard library's, the project's or ``known``."""
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." if node.level else node.module or ""]
        else:
            continue
        for name in (name.partition(".")[0] for name in names):
            if name not in known and name not in sys.stdlib_module_names and name != "unilinux":
                yield Problem(path, node.lineno, f"imports {name or '.'!r}, which no contract in pyproject.toml owns")


def owned_packages(pyproject: Path) -> Mapping[str, str]:
    """The third-party packages that an import contract gives to somebody, with the contract's name."""
    contracts = tomllib.loads(pyproject.read_text())["tool"]["importlinter"]["contracts"]
    return {
        module: contract["name"]
        for contract in contracts
        if contract["type"] == "forbidden" and contract["source_modules"] == ["unilinux"]
        for module in contract["forbidden_modules"]
    }
