# SPDX-License-Identifier: GPL-2.0-only
"""Which Kconfig symbols an object file depends on, read from the Makefiles of the kernel's tree.

What kbuild needs of make is understood: lists of objects and folders that are chosen
by ``$(CONFIG_X)``, composite objects, conditionals on symbols. Whatever else a
Makefile may do to the lists is left out; an object that no list names has no known
condition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from unilinux.arch.architecture import X86_64

# What the kernel's Makefiles mean by these.
_VARIABLES: Mapping[str, str] = {"SRCARCH": X86_64.source_arch, "BITS": str(X86_64.bits)}
_TOP = {f"{X86_64.folder}/Makefile"}  # its lists name folders from the top of the tree

_ASSIGNMENT = re.compile(
    r"^\s*(?P<list>[\w.-]+?)-(?P<which>y|m|objs|\$\((?:subst m,y,\$\()?CONFIG_\w+\)?\))\s*[:+?]?=(?P<words>.*)$"
)
_CONDITION = re.compile(r"^\s*(?P<word>ifdef|ifndef|ifeq|ifneq)\b\s*(?P<rest>.*)$")
_SYMBOL = re.compile(r"CONFIG_(\w+)")
_EQUALS = re.compile(r"\(\s*\$\(CONFIG_(?P<symbol>\w+)\)\s*,\s*(?P<value>y?)\s*\)")
_REFERENCE = re.compile(r"\$\([\w.-]+-y\)")
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Condition:
    """Symbols that must be on, and symbols that must be off."""

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.on | other.on, self.off | other.off)

    def otherwise(self) -> Condition:
        """What holds in the other branch of a conditional; for more than one symbol nothing can be said."""
        return Condition(self.off, self.on) if len(self.on) + len(self.off) == 1 else ALWAYS

    def holds(self, is_on: Callable[[str], bool]) -> bool:
        """Whether it is met."""
        return all(map(is_on, self.on)) and not any(map(is_on, self.off))


ALWAYS = Condition()
NEVER = Condition(frozenset({"(never)"}))


@dataclass(frozen=True, slots=True)
class Entry:
    """A word of a list: an object, or a folder, in the list ``group`` (``obj``, or the name of a composite)."""

    group: str
    word: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Makefile:
    """The lists of one Makefile, by the word that they name, which is a path from the top of the tree."""

    entries: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)


def parse_makefile(text: str, folder: str) -> Makefile:
    """Read a Makefile that lies in ``folder``, a path from the top of the tree."""
    found: dict[str, list[Entry]] = {}
    inside: list[Condition] = []
    for line in _lines(text):
        if opening := _CONDITION.match(line):
            inside.append(_condition(opening["word"], opening["rest"]))
        elif re.match(r"^\s*else\b", line) and inside:
            inside[-1] = inside[-1].otherwise()
        elif re.match(r"^\s*endif\b", line) and inside:
            inside.pop()
        elif assigned := _ASSIGNMENT.match(line):
            condition = _chosen(assigned["which"])
            for outer in inside:
                condition &= outer
            for word in _words(assigned["words"], folder):
                found.setdefault(word, []).append(Entry(assigned["list"], word, condition))
    return Makefile({word: tuple(entries) for word, entries in found.items()})


class Gates:
    """Answers for one tree and one configuration; ``is_on`` tells whether a symbol is."""

    def __init__(self, tree: Path, is_on: Callable[[str], bool]) -> None:
        self._tree = tree
        self._is_on = is_on
        self._makefile = cache(self._read)
        self._folder = cache(self._folder_gates)

    def of(self, path: str) -> frozenset[str]:
        """The symbols without one of which an object of this configuration would not be built.

        ``path`` is from the top of the tree. Where several lists name it, and each is chosen
        by another symbol, each of these symbols is in.
        """
        return frozenset().union(*self.alternatives(path))

    def alternatives(self, path: str) -> tuple[frozenset[str], ...]:
        """The sets of symbols each of which would be enough, of those that are on."""
        folder = os.path.dirname(path)
        own = self._settled(self._in_lists(self._lists(folder), path, _DEEPEST))
        return tuple(one | outer for one in own for outer in self._folder(folder))

    def needs(self, path: str) -> frozenset[str]:
        """All symbols that the lists which name an object are chosen by, on or off."""
        folder = os.path.dirname(path)
        found: frozenset[str] = frozenset()
        while True:
            conditions = list(self._in_lists(self._lists(folder), path, _DEEPEST))
            if conditions:
                found |= min((one.on for one in conditions), key=len)
            if not folder:
                return found
            path, folder = folder + "/", os.path.dirname(folder)

    def _folder_gates(self, folder: str) -> tuple[frozenset[str], ...]:
        if not folder:
            return (frozenset(),)
        # A list may name a folder some levels below: arch/x86/Kbuild has platform/pvh/.
        above = folder
        while above:
            above = os.path.dirname(above)
            conditions = list(self._in_lists(self._lists(above), folder + "/", _DEEPEST))
            if above == "" and folder.startswith(f"{X86_64.folder}/"):
                conditions += self._in_lists(self._makefile(f"{X86_64.folder}/Makefile"), folder + "/", _DEEPEST)
            if conditions:
                return tuple(one | outer for one in self._settled(conditions) for outer in self._folder(above))
        return (frozenset(),)

    def _lists(self, folder: str) -> Makefile:
        for name in ("Kbuild", "Makefile"):  # kbuild prefers the former, too
            path = os.path.join(folder, name)
            if (self._tree / path).is_file():
                return self._makefile(path)
        return Makefile()

    def _read(self, path: str) -> Makefile:
        text = (self._tree / path).read_text(encoding="utf-8", errors="replace")
        return parse_makefile(text, "" if path in _TOP else os.path.dirname(path))

    def _in_lists(self, makefile: Makefile, word: str, depth: int) -> Iterable[Condition]:
        """The conditions under which a Makefile builds a word, directly or as a part of something."""
        if depth == 0:
            return
        for entry in makefile.entries.get(word, ()):
            if entry.group in {"obj", "lib", "core", "libs", "drivers", "real-obj"}:
                yield entry.condition
                continue
            folder = os.path.dirname(word.rstrip("/"))
            for whole in {f"{entry.group}.o", f"$({entry.group}-y)"} - {os.path.basename(word)}:
                for outer in self._in_lists(makefile, os.path.join(folder, whole), depth - 1):
                    yield entry.condition & outer

    def _settled(self, conditions: Iterable[Condition]) -> tuple[frozenset[str], ...]:
        """What is on of the conditions that hold; a condition that asks for nothing makes the others idle."""
        found = {one.on for one in conditions if one.holds(self._is_on)}
        return (frozenset(),) if frozenset() in found or not found else tuple(sorted(found, key=sorted))


def _lines(text: str) -> Iterable[str]:
    joined = re.sub(r"\\\n", " ", text)
    return (line.partition("#")[0] for line in joined.splitlines())


def _chosen(which: str) -> Condition:
    if which == "m":
        return NEVER
    symbol = _SYMBOL.search(which)
    return Condition(frozenset({symbol[1]})) if symbol else ALWAYS


def _condition(word: str, rest: str) -> Condition:
    """What an opening line asks for, as far as it is about one symbol."""
    if word in {"ifdef", "ifndef"}:
        symbol = _SYMBOL.fullmatch(rest.strip())
        on = word == "ifdef"
    else:
        symbol = _EQUALS.fullmatch(rest.strip())
        on = (word == "ifeq") == (symbol is not None and symbol["value"] == "y")
    if symbol is None:
        return ALWAYS
    names = frozenset({symbol[1]})
    return Condition(on=names) if on else Condition(off=names)


def _words(text: str, folder: str) -> Iterable[str]:
    for raw in text.split():
        word = re.sub(r"\$\((\w+)\)", lambda found: _VARIABLES.get(found[1], found[0]), raw)
        word = word.removeprefix("$(obj)/")
        if _REFERENCE.fullmatch(word):
            yield os.path.join(folder, word)
        elif re.fullmatch(r"[\w./+-]+(\.o|/)", word):
            path = os.path.normpath(os.path.join(folder, word))
            yield path + "/" if word.endswith("/") else path
