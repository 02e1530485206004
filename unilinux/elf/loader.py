# SPDX-License-Identifier: GPL-2.0-only
"""Which files a dynamic program is started with, found as its interpreter (the loader of glibc or musl) finds them.

The rules are those of ld.so(8), and of musl's ldso/dynlink.c. What depends on the processor's
features (``glibc-hwcaps``) isn't looked for: the usual form of a library is always there, too.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unilinux.core.errors import BuildError
from unilinux.elf.file import MAGIC, Elf, read_elf

_MUSL = "ld-musl-"
_MUSL_FOLDERS = ("/lib", "/usr/local/lib", "/usr/lib")
# A loader of glibc has those of these in it that its distribution uses.
_GLIBC_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
)
_MOST_LINKS = 40  # as many as the kernel follows
_MACHINE_AT, _MACHINE = 18, struct.Struct("<H")  # e_machine
_HEAD_BYTES = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A file to take along: where it is on this host, and the path by which the guest opens it."""

    origin: Path
    place: str


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder in which the loader looks: its path in the sysroot or, if ``host`` is set, of this host; the guest's."""

    path: str
    guest: str
    host: bool = False


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A program or library, with the folders that hold for what it needs."""

    elf: Elf
    who: str
    origin: _Folder
    own: tuple[_Folder, ...]
    """Of its DT_RUNPATH."""
    inherited: tuple[_Folder, ...]
    """Of its DT_RPATH and those of what loaded it."""


def provides(interpreter: str, name: str) -> bool:
    """Whether an interpreter is itself the library of that name: musl's loader is its C library."""
    own = PurePosixPath(interpreter).name
    return name == own or (_is_musl(interpreter) and (name == "libc.so" or name.startswith("libc.musl-")))


def other_machine(path: Path, wanted: str) -> str | None:
    """What an ELF file is for if that isn't the wanted processor, in words; None for one that fits.

    :raise BuildError: it is no ELF file, is damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}") from error
    if not head.startswith(MAGIC):
        raise BuildError(f"{path} is no ELF file")
    if len(head) < _HEAD_BYTES:
        raise BuildError(f"{path} is cut short")
    if head[4:6] != b"\x02\x01":
        return "32-bit" if head[4] == 1 else "big-endian"
    machine = read_elf(path).machine
    return None if machine == wanted else f"for {machine}"


class Sysroot:
    """A folder that holds a system's files as they are from ``/`` on; usually ``/`` itself."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root.resolve()

    def find(self, path: str) -> Path | None:
        """The file or folder at an absolute path, with links followed inside the sysroot; None: there is none."""
        waiting, found, links = list(reversed(PurePosixPath(path).parts[1:])), self._root, 0
        while waiting:
            name = waiting.pop()
            if name == "..":
                found = found if found == self._root else found.parent
                continue
            place = found / name
            if not place.is_symlink():
                found = place
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = PurePosixPath(os.readlink(place))
            if target.is_absolute():
                found = self._root
            waiting += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        return found if found.exists() else None

    def configured(self, file: str = "/etc/ld.so.conf", seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """The folders that ``ld.so.conf`` and what it includes name, in order.

        :raise BuildError: one of these files cannot be read.
        """
        known = seen | {file}
        for line in self._lines(file):
            word, _, rest = line.partition(" ")
            if word == "include":
                for pattern in rest.split():
                    for name in self._matching(str(PurePosixPath(file).parent / pattern)):
                        if name not in known:
                            yield from self.configured(name, known)
            elif line.startswith("/"):
                yield line.partition("=")[0].rstrip("/") or "/"

    def musl_folders(self, interpreter: str) -> tuple[str, ...]:
        """The folders of musl's own configuration, else its usual ones."""
        name = PurePosixPath(interpreter).name.partition(".")[0]  # ld-musl-x86_64
        lines = list(self._lines(f"/etc/{name}.path"))
        return tuple(part for line in lines for part in line.split(":") if part) or _MUSL_FOLDERS

    def _lines(self, file: str) -> Iterator[str]:
        found = self.find(file)
        if found is None or not found.is_file():
            return
        try:
            text = found.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise BuildError(f"cannot read {found}: {error.strerror}") from error
        for line in text.splitlines():
            words = " ".join(line.partition("#")[0].split())
            if words:
                yield words

    def _matching(self, pattern: str) -> Iterator[str]:
        path = PurePosixPath(pattern)
        folder = self.find(str(path.parent))
        if folder is not None and folder.is_dir():
            yield from (str(path.parent / found.name) for found in sorted(folder.glob(path.name)))


class Loading:
    """One program's start: what is taken along, and what is missing.

    :param machine: the processor that all must be for, as ELF names it.
    """

    def __init__(self, program: Path, place: str, *, sysroot: Sysroot, machine: str) -> None:
        self._sysroot = sysroot
        self._machine = machine
        self.problems: list[str] = []
        """What is missing or doesn't fit, with who wants it."""
        self._taken: dict[str, Taken] = {place: Taken(program, place)}
        self._names: set[str] = set()
        elf = read_elf(program)
        self._interpreter = elf.interpreter
        self._usual: tuple[_Folder, ...] = ()
        if self._interpreter is not None:
            self._take_interpreter(self._interpreter, place)
        # The kernel tells the program's path with links followed.
        origin = _Folder(str(program.resolve().parent), _above(place), host=True)
        self._program = self._loaded(elf, place, origin, ())
        if not self.problems:
            self._follow([self._program])

    @property
    def taken(self) -> tuple[Taken, ...]:
        """All that goes along, the program included, sorted by place."""
        return tuple(self._taken[place] for place in sorted(self._taken))

    def add(self, name: str) -> None:
        """Take along what the program opens by itself (dlopen): a library's name, or a path, also with ``$ORIGIN``."""
        self._follow([self._program], [name])

    def _take_interpreter(self, interpreter: str, who: str) -> None:
        found = self._sysroot.find(interpreter)
        if found is None or not found.is_file():
            self.problems.append(f"{who} is started by {interpreter}, which does not exist")
            return
        if other := other_machine(found, self._machine):
            self.problems.append(f"{who} is started by {interpreter}, which is {other}")
            return
        self._taken[interpreter] = Taken(found, interpreter)
        if _is_musl(interpreter):
            usual: tuple[str, ...] = _MUSL_FOLDERS
            folders = self._sysroot.musl_folders(interpreter)
        else:
            content = found.read_bytes()
            named = tuple(folder for folder in _GLIBC_FOLDERS if f"\0{folder}/\0".encode() in content)
            usual = named or _GLIBC_FOLDERS
            folders = tuple(dict.fromkeys((*self._sysroot.configured(), *usual)))
        # The guest has no cache of folders and no configuration: what lies elsewhere is put where the loader looks.
        self._usual = tuple(_Folder(path, path if path in usual else usual[0]) for path in folders)

    def _loaded(self, elf: Elf, who: str, origin: _Folder, above: tuple[_Folder, ...]) -> _Loaded:
        said = tuple(_expanded(text, origin) for text in elf.runpath or elf.rpath)
        if elf.runpath and not (self._interpreter and _is_musl(self._interpreter)):
            return _Loaded(elf, who, origin, said, above)
        return _Loaded(elf, who, origin, (), (*said, *above))  # musl makes no difference between the two

    def _follow(self, waiting: Sequence[_Loaded], names: Sequence[str] = ()) -> None:
        """Breadth first, as loaders do: the first of a name is the one that all get."""
        queue = [(one, name) for one in waiting for name in (names or one.elf.needed)]
        while queue:
            who, name = queue.pop(0)
            if name in self._names or (self._interpreter and provides(self._interpreter, name)):
                continue
            self._names.add(name)
            library = self._take(who, name)
            if library is not None:
                self._names.add(library.elf.soname or name)
                queue += [(library, needed) for needed in library.elf.needed]

    def _take(self, who: _Loaded, name: str) -> _Loaded | None:
        unfit = []
        for folder, file in self._places(who, name):
            path = f"{folder.path}/{file}"
            found = Path(path) if folder.host else self._sysroot.find(path)
            if found is None or not found.is_file():
                continue
            place = _normal(f"{folder.guest}/{file}")
            if "/" in name and not _begins_as_elf(found):
                self._taken.setdefault(place, Taken(found, place))
                return None
            if other := other_machine(found, self._machine):
                unfit.append(f"{path} is {other}")
                continue
            known = self._taken.setdefault(place, Taken(found, place))
            if known.origin.resolve() != found.resolve():
                self.problems.append(f"{who.who} needs {path} at {place}, where {known.origin} is")
                return None
            inside = _Folder(str(PurePosixPath(path).parent), _above(place), folder.host)
            return self._loaded(read_elf(found), name, inside, who.inherited)
        said = f" ({'; '.join(unfit)})" if unfit else ""
        kind = "file" if "/" in name else "library"
        self.problems.append(f"{who.who} needs the {kind} {name}, which isn't found{said}")
        return None

    def _places(self, who: _Loaded, name: str) -> Iterator[tuple[_Folder, str]]:
        path = PurePosixPath(name)
        own = who.own or who.inherited
        folders = (_expanded(str(path.parent), who.origin),) if "/" in name else (*own, *self._usual)
        # What is relative to the working folder can't be known before the program runs.
        yield from ((folder, path.name) for folder in folders if folder.path.startswith("/"))


def _expanded(text: str, origin: _Folder) -> _Folder:
    """A folder as an ELF file names it; ``$ORIGIN`` is the one in which the file itself lies."""
    for token in ("${ORIGIN}", "$ORIGIN"):
        if text == token or text.startswith(f"{token}/"):
            rest = text.removeprefix(token)
            return _Folder(origin.path + rest, _normal(origin.guest + rest), origin.host)
    return _Folder(text, text)


def _is_musl(interpreter: str) -> bool:
    return PurePosixPath(interpreter).name.startswith(_MUSL)


def _begins_as_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _above(place: str) -> str:
    return str(PurePosixPath(place).parent)


def _normal(path: str) -> str:
    """A path of the guest without ``..``."""
    return os.path.normpath(f"/{path.lstrip('/')}")
