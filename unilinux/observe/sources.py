# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's sources tell and its objects don't: functions under ``#ifdef CONFIG_X``, and what a file provides.

Only the sources of the objects that a kernel was linked from are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.observe.makefiles import ALWAYS, Condition

_DIRECTIVE = re.compile(r"^\s*#\s*(?P<word>if|ifdef|ifndef|elif|else|endif)\b(?P<rest>.*)$")
_ENABLED = re.compile(r"(?:defined\s*\(?|IS_ENABLED\s*\(|IS_BUILTIN\s*\(|IS_REACHABLE\s*\()\s*CONFIG_(\w+)\s*\)?")
# A definition begins in the first column, and its line doesn't end as a declaration's does.
_DEFINED = re.compile(r"^(?:[A-Za-z_][\w \t*]*[ \t*])?(?P<name>\w+)\s*\([^;{]*(?:\{.*)?$")
_SYSTEM_CALL = re.compile(r"^(?:COMPAT_)?SYSCALL_DEFINE\d\((?P<name>\w+)")
_SYSTEM_CALL_NAMES = re.compile(r"^__(?:x64|do|se)_sys_(?P<name>\w+)$")
# What the compiler makes of a function: part, isra, constprop, cold.
_CLONE = re.compile(r"\.(part|isra|constprop|cold|lto_priv)\b.*$")
_INCLUDED = re.compile(r'^#include "(?P<file>[\w./-]+\.c)"', re.MULTILINE)
_FAMILY = re.compile(r"\.family\s*=\s*[PA]F_(?P<name>\w+)")
_FILE_SYSTEM = re.compile(r"struct file_system_type\s+\w+\s*=\s*\{[^}]*?\.name\s*=\s*\"(?P<name>\w+)\"", re.DOTALL)
_SYSTEM_CALL_FOLDERS = ("kernel", "fs", "mm", "net", "ipc", "io_uring", "security", X86_64.folder, "drivers/char")


@dataclass(frozen=True, slots=True)
class Providers:
    """Object files by the socket family (``AF_UNIX``) or the file system (``proc``) that they bring."""

    families: Mapping[str, str]
    file_systems: Mapping[str, str]


class Sources:
    """Answers for one tree and one configuration; ``is_on`` tells whether a symbol is."""

    def __init__(self, tree: Path, is_on: Callable[[str], bool]) -> None:
        self._tree = tree
        self._is_on = is_on
        self._conditions = cache(self._read_conditions)

    def function_gates(self, path: str, function: str) -> frozenset[str]:
        """The symbols whose ``#ifdef`` in an object's own source is around a function."""
        name = _CLONE.sub("", function)
        called = _SYSTEM_CALL_NAMES.match(name)
        return self._conditions(path).get(f"{called['name']}()" if called else name, frozenset())

    def providers(self, paths: Iterable[str]) -> Providers:
        """What these object files bring."""
        families: dict[str, str] = {}
        systems: dict[str, str] = {}
        for path in paths:
            for text in self._texts(path):
                if "net_proto_family" in text:
                    families.update((f"AF_{found['name']}", path) for found in _FAMILY.finditer(text))
                systems.update((found["name"], path) for found in _FILE_SYSTEM.finditer(text))
        return Providers(families, systems)

    def homes_of_calls(self, names: Iterable[str]) -> dict[str, str]:
        """The object file that would bring a system call, such as ``timerfd_create``; all sources are searched."""
        wanted = frozenset(names)
        found: dict[str, str] = {}
        for folder in _SYSTEM_CALL_FOLDERS if wanted else ():
            for source in sorted((self._tree / folder).rglob("*.c")):
                for line in _read(source).splitlines():
                    if (match := _SYSTEM_CALL.match(line)) and match["name"] in wanted:
                        found.setdefault(match["name"], str(source.relative_to(self._tree).with_suffix(".o")))
        return found

    def _texts(self, path: str) -> Iterator[str]:
        """An object's source and the sources that it includes."""
        source = self._tree / Path(path).with_suffix(".c")
        text = _read(source)
        yield text
        for included in _INCLUDED.finditer(text):
            yield _read(source.parent / os.path.normpath(included["file"]))

    def _read_conditions(self, path: str) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for text in self._texts(path):
            for name, condition in conditional_functions(text):
                if condition.holds(self._is_on):
                    found.setdefault(name, condition.on)
        return found


def conditional_functions(text: str) -> Iterator[tuple[str, Condition]]:
    """(name, condition) of each function that a source defines; system calls as ``name()``.

    Conditions that aren't a conjunction of symbols count as none.
    """
    inside: list[Condition] = []
    for line in text.splitlines():
        if directive := _DIRECTIVE.match(line):
            _step(inside, directive["word"], directive["rest"])
        elif called := _SYSTEM_CALL.match(line):
            yield f"{called['name']}()", _all(inside)
        elif defined := _DEFINED.match(line):
            yield defined["name"], _all(inside)


def _all(inside: Iterable[Condition]) -> Condition:
    whole = ALWAYS
    for condition in inside:
        whole &= condition
    return whole


def _step(inside: list[Condition], word: str, rest: str) -> None:
    if word == "endif":
        del inside[-1:]
    elif word == "else":
        inside[-1:] = [inside[-1].otherwise() if inside else ALWAYS]
    elif word == "elif":
        inside[-1:] = [_condition(rest)]
    elif word == "if":
        inside.append(_condition(rest))
    else:
        inside.append(_condition(f"defined({rest.split('/*', maxsplit=1)[0].strip()})"))
        if word == "ifndef":
            inside[-1] = inside[-1].otherwise()


def _condition(expression: str) -> Condition:
    """The symbols of ``defined(CONFIG_A) && !defined(CONFIG_B)``; none for anything more complicated."""
    on: set[str] = set()
    off: set[str] = set()
    for term in expression.split("/*", maxsplit=1)[0].split("&&"):
        match = _ENABLED.fullmatch(term.strip().removeprefix("!").strip())
        if match is None:
            return ALWAYS
        (off if term.strip().startswith("!") else on).add(match[1])
    return Condition(frozenset(on), frozenset(off))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # generated, or assembly: nothing is known about it
