# SPDX-License-Identifier: GPL-2.0-only
"""Whether the programs of an image can be started with what the image holds: their interpreters and libraries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError
from unilinux.core.tree import Entry, File, Symlink, Tree
from unilinux.elf.file import MAGIC, Elf, parse_elf, read_elf
from unilinux.elf.loader import provides

_MOST_LINKS = 40  # as many as the kernel follows
_SHOWN_BYTES = 256


def require_startable(tree: Tree, main: str, manifest: Path) -> None:
    """See that the first program, and each dynamic one, finds what it is started with.

    Libraries count wherever they are in the image: only the interpreter knows in which folders it looks.

    :param main: the program that init starts, a path of the image.
    :param manifest: the file to name in the hint.
    :raise BuildError: something is missing, or the first program is none for this machine.
    """
    files = _Files(tree)
    problems = [*_first_problems(files, main)]
    for entry in tree.entries:
        elf = _elf_of(entry)
        if isinstance(entry, File) and elf is not None and elf.interpreter is not None:
            problems += _dynamic_problems(files, entry.path, elf, elf.interpreter)
    if problems:
        raise BuildError(
            "programs of the image can't be started",
            details=tuple(dict.fromkeys(problems)),
            hint=f"link them with $CC $LDFLAGS, which is static, or add what is missing to files in {manifest}",
        )


class _Files:
    """The files of a tree, by path as the guest finds them."""

    def __init__(self, tree: Tree) -> None:
        self._entries: Mapping[str, Entry] = {entry.path: entry for entry in tree.entries}
        self.names = {PurePosixPath(path).name: path for path in self._entries}

    def find(self, path: str) -> Entry | None:
        """What lies at a path, with links followed."""
        for _ in range(_MOST_LINKS):
            link = next((place for place in self._places(path) if isinstance(self._entries.get(place), Symlink)), None)
            if link is None:
                return self._entries.get(path)
            entry = self._entries[link]
            assert isinstance(entry, Symlink)
            path = _joined(str(PurePosixPath(link).parent), entry.target) + path[len(link) :]
        return None

    def named(self, name: str) -> Entry | None:
        """A file of that name, wherever it is."""
        return self.find(self.names[name]) if name in self.names else None

    @staticmethod
    def _places(path: str) -> Iterator[str]:
        yield from (str(place) for place in reversed([PurePosixPath(path), *PurePosixPath(path).parents]))


def _joined(folder: str, target: str) -> str:
    """An absolute, normal path for a link's target."""
    parts: list[str] = []
    for part in PurePosixPath(folder, target).parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def _first_problems(files: _Files, main: str) -> Iterator[str]:
    entry = files.find(main)
    if not isinstance(entry, File):
        yield f"{main}, which run.argv starts, isn't in the image"
        return
    start = _start(entry)
    if start.startswith(b"#!"):
        program = start[2:].split(b"\n")[0].split()[:1]
        interpreter = program[0].decode(errors="replace") if program else ""
        if not isinstance(files.find(interpreter), File):
            yield f"{main} is a script for {interpreter or 'nothing'}, which isn't in the image"
    elif not start.startswith(MAGIC):
        yield f"{main} is neither an ELF program nor a script that begins with #!"
    elif (elf := _elf_of(entry)) is None:
        yield f"{main} is no ELF program of 64 bits"
    elif elf.machine != X86_64.elf_machine:
        yield f"{main} is a program for another processor ({elf.machine})"


def _dynamic_problems(files: _Files, path: str, elf: Elf, interpreter: str) -> Iterator[str]:
    if not isinstance(files.find(interpreter), File):
        yield f"{path} is started by {interpreter}, which isn't in the image"
    waiting, seen = [(path, name) for name in elf.needed], set(elf.needed)
    while waiting:
        who, name = waiting.pop()
        found = files.named(name)
        if not isinstance(found, File):
            if not provides(interpreter, name):
                yield f"{who} needs the library {name}, which isn't in the image"
            continue
        library = _elf_of(found)
        more = [needed for needed in (library.needed if library else ()) if needed not in seen]
        seen.update(more)
        waiting += [(found.path, needed) for needed in more]


def _start(entry: File) -> bytes:
    if isinstance(entry.content, bytes):
        return entry.content[:_SHOWN_BYTES]
    with entry.content.open("rb") as file:
        return file.read(_SHOWN_BYTES)


def _elf_of(entry: Entry) -> Elf | None:
    """An entry as an ELF file of 64 bits; None if it is something else."""
    if not isinstance(entry, File) or not _start(entry).startswith(MAGIC):
        return None
    try:
        return parse_elf(entry.content, entry.path) if isinstance(entry.content, bytes) else read_elf(entry.content)
    except BuildError:
        return None
