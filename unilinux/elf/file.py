# SPDX-License-Identifier: GPL-2.0-only
"""The one reader of ELF files, for 64-bit little-endian machines.

Sections and what is needed to start are read by pyelftools. The file's header and its segments,
which is all that most want to know, are read by :mod:`struct`, since importing pyelftools takes longer
than the rest; and so are tables with many entries (symbols, relocations), in a hundredth of the time.
Contents are views of the file's bytes: nothing is copied before somebody looks at it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from unilinux.core.errors import BuildError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"

_IDENT_64_LITTLE = MAGIC + b"\x02\x01"
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
HEADER_SIZE = _HEADER.size
_SEGMENT = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
_KINDS = {1: "ET_REL", 2: "ET_EXEC", 3: "ET_DYN", 4: "ET_CORE"}
_MACHINES = {3: "EM_386", 40: "EM_ARM", 62: "EM_X86_64", 183: "EM_AARCH64", 243: "EM_RISCV"}
_SEGMENTS = {0: "PT_NULL", 1: "PT_LOAD", 2: "PT_DYNAMIC", 3: "PT_INTERP", 4: "PT_NOTE", 7: "PT_TLS"}
_TEXTS = {"DT_NEEDED": "needed", "DT_SONAME": "soname", "DT_RPATH": "rpath", "DT_RUNPATH": "runpath"}
_EXECUTABLE, _ALLOCATED = 0x4, 0x2  # SHF_EXECINSTR, SHF_ALLOC
_RUNS = 0x1  # PF_X
_SYMBOL = struct.Struct("<IBBHQQ")  # Elf64_Sym
_RELOCATION = struct.Struct("<QQq")  # Elf64_Rela
_NOTE = struct.Struct("<III")  # Elf64_Nhdr
_RELATIVE = (8, 37)  # R_X86_64_RELATIVE, R_X86_64_IRELATIVE
_FIRST_RESERVED = 0xFF00  # SHN_LORESERVE: from here on no numbers of sections


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the file that is loaded to ``address`` (virtual); its ``size_bytes`` in memory may be more.

    ``offset`` is where in the file it is.
    """

    address: int
    content: bytes | memoryview
    kind: str = "PT_LOAD"
    physical: int = 0
    size_bytes: int = 0
    offset: int = 0
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A section; ``content`` is empty for one that only takes memory (SHT_NOBITS)."""

    name: str
    kind: str
    address: int
    size_bytes: int
    executable: bool
    allocated: bool
    content: memoryview


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol. ``kind`` is ELF's number (0 none, 1 object, 2 function, 10 indirect function).

    ``section`` is the number of the section that it is in; None: it is undefined or absolute.
    """

    name: str
    address: int
    size_bytes: int
    kind: int
    is_global: bool
    section: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A note: who wrote it, the owner's number for what it is, and its content."""

    owner: str
    kind: int
    content: bytes


class Elf:
    """An ELF file; parts are read when they are asked for.

    :raise BuildError: from each property, if that part of the file is damaged.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        """Use :func:`read_elf`."""
        self.path = path
        self.content = self._data = data
        if len(data) < _HEADER.size:
            raise BuildError(f"{path} is cut short")
        fields = _HEADER.unpack_from(data)
        _, self._kind, self._machine, _, self.entry, segments, sections, _, _, size, count, *more = fields
        self._segments = (segments, size, count)
        for table, entry_size, entries in (self._segments, (sections, more[0], more[1])):
            if table + entry_size * entries > len(data):
                raise BuildError(f"{path} is cut short")
        if count and size != _SEGMENT.size:
            raise BuildError(f"{path} is no ELF file that can be read: a segment's entry has {size} bytes")

    @property
    def machine(self) -> str:
        """The processor that it is for, as ELF names it: ``EM_X86_64``."""
        return _MACHINES.get(self._machine, f"EM_{self._machine}")

    @property
    def kind(self) -> str:
        """``ET_REL`` (an object), ``ET_EXEC`` (a program at fixed addresses), ``ET_DYN`` (one at any, or a library)."""
        return _KINDS.get(self._kind, f"ET_{self._kind}")

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, in the file's order."""
        table, size, count = self._segments
        found = []
        for number in range(count):
            kind, flags, offset, address, physical, in_file, in_memory, _ = _SEGMENT.unpack_from(
                self._data, table + number * size
            )
            content, name = self._view(offset, in_file), _SEGMENTS.get(kind, f"PT_{kind:#x}")
            found.append(Segment(address, content, name, physical, in_memory, offset, bool(flags & _RUNS)))
        return tuple(found)

    @property
    def loaded(self) -> tuple[Segment, ...]:
        """The segments that are loaded."""
        return tuple(segment for segment in self.segments if segment.kind == "PT_LOAD")

    @property
    def loaded_end(self) -> int:
        """The physical address behind the last byte that it takes once it is loaded; 0 if nothing is."""
        return max((segment.physical + segment.size_bytes for segment in self.loaded), default=0)

    @property
    def loaded_bytes(self) -> int:
        """What of the file is loaded: its sections, without those that are only zeroed memory, and without padding."""
        return sum(one.size_bytes for one in self.sections if one.allocated and one.kind != "SHT_NOBITS")

    @property
    def interpreter(self) -> str | None:
        """The program that starts this one, by PT_INTERP; None for a static one."""
        found = next((segment for segment in self.segments if segment.kind == "PT_INTERP"), None)
        return None if found is None else bytes(found.content).partition(b"\0")[0].decode(errors="replace")

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """The names of the libraries that it is linked with when it is started (DT_NEEDED)."""
        return tuple(text for tag, text in self._dynamic_texts if tag == "DT_NEEDED")

    @property
    def soname(self) -> str | None:
        """The name that a library has for those linked with it (DT_SONAME)."""
        return next((text for tag, text in self._dynamic_texts if tag == "DT_SONAME"), None)

    @property
    def rpath(self) -> tuple[str, ...]:
        """Folders for its libraries, and for those that they need in turn (DT_RPATH); as written, with ``$ORIGIN``."""
        return self._folders("DT_RPATH")

    @property
    def runpath(self) -> tuple[str, ...]:
        """Folders for its own libraries only (DT_RUNPATH). With these, those of :attr:`rpath` don't count."""
        return self._folders("DT_RUNPATH")

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All sections, by their number."""
        with _explained(self.path):
            return tuple(self._section(section) for section in self._file.iter_sections())

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols of ``.symtab``; none in a stripped file."""
        return tuple(self._symbols(".symtab", ".strtab"))

    @cached_property
    def dynamic_symbols(self) -> tuple[Symbol, ...]:
        """The symbols of ``.dynsym``, by which files are linked with each other when they are started."""
        return tuple(self._symbols(".dynsym", ".dynstr"))

    @cached_property
    def relative_addends(self) -> tuple[int, ...]:
        """Addresses that the file's relocations will write somewhere, relative to where it is loaded (x86-64)."""
        return tuple(
            addend
            for section in self.sections
            if section.kind == "SHT_RELA" and section.allocated
            for _, info, addend in _RELOCATION.iter_unpack(_whole(section.content, _RELOCATION))
            if info & 0xFFFFFFFF in _RELATIVE
        )

    @cached_property
    def relocated(self) -> frozenset[int]:
        """Addresses that the file's relocations will change, relative to where it is loaded."""
        return frozenset(
            place
            for section in self.sections
            if section.kind == "SHT_RELA" and section.allocated
            for place, _, _ in _RELOCATION.iter_unpack(_whole(section.content, _RELOCATION))
        )

    @property
    def notes(self) -> Iterator[Note]:
        """The notes of all PT_NOTE segments."""
        for segment in self.segments:
            if segment.kind == "PT_NOTE":
                yield from _notes(bytes(segment.content))

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def _folders(self, wanted: str) -> tuple[str, ...]:
        return tuple(part for tag, text in self._dynamic_texts if tag == wanted for part in text.split(":") if part)

    @cached_property
    def _dynamic_texts(self) -> tuple[tuple[str, str], ...]:
        """What the dynamic segment says in words: each tag with its text."""
        with _explained(self.path):
            from elftools.elf.dynamic import DynamicSegment

            dynamic = (segment for segment in self._file.iter_segments() if isinstance(segment, DynamicSegment))
            tags = (tag for segment in dynamic for tag in segment.iter_tags())
            return tuple(
                (str(tag.entry.d_tag), str(getattr(cast("Any", tag), _TEXTS[tag.entry.d_tag])))
                for tag in tags
                if tag.entry.d_tag in _TEXTS
            )

    @cached_property
    def _file(self) -> ELFFile:
        with _explained(self.path):
            return _open(self._data)

    def _section(self, section: Any) -> Section:
        flags, kind, size = section["sh_flags"], str(section["sh_type"]), section["sh_size"]
        return Section(
            name=section.name,
            kind=kind,
            address=section["sh_addr"],
            size_bytes=size,
            executable=bool(flags & _EXECUTABLE),
            allocated=bool(flags & _ALLOCATED),
            content=self._view(section["sh_offset"], 0 if kind in ("SHT_NOBITS", "SHT_NULL") else size),
        )

    def _symbols(self, table_name: str, names_name: str) -> Iterator[Symbol]:
        table, names = self.section(table_name), self.section(names_name)
        if table is None or names is None:
            return
        text = bytes(names.content)
        for start, info, _, place, address, size in _SYMBOL.iter_unpack(_whole(table.content, _SYMBOL)):
            yield Symbol(
                name=text[start : text.find(b"\0", start)].decode(errors="replace"),
                address=address,
                size_bytes=size,
                kind=info & 0xF,
                is_global=info >> 4 != 0,
                section=place if 0 < place < _FIRST_RESERVED else None,
            )

    def _view(self, offset: int, size: int) -> memoryview:
        return memoryview(self._data)[offset : offset + size]


def read_elf(path: Path) -> Elf:
    """Open an ELF file.

    :raise BuildError: it is none for 64-bit little-endian machines, is damaged, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}") from error
    return parse_elf(data, str(path))


def parse_elf(content: bytes, name: str) -> Elf:
    """The same for a file's bytes; ``name`` is what errors call it.

    :raise BuildError: it is none for 64-bit little-endian machines, or is damaged.
    """
    if content[: len(_IDENT_64_LITTLE)] != _IDENT_64_LITTLE:
        raise BuildError(f"{name} is not a 64-bit ELF file")
    return Elf(Path(name), content)


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF files do.

    :raise OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def bytes_at(segments: Sequence[Segment], address: int, size: int) -> bytes | None:
    """The bytes of a file that are loaded at an address; None where there are none."""
    for segment in segments:
        offset = address - segment.address
        if offset >= 0 and offset + size <= len(segment.content):
            return bytes(segment.content[offset : offset + size])
    return None


class _explained:  # noqa: N801 - a context manager reads as a verb
    """Makes a damaged file's errors ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from elftools.common.exceptions import ELFError

        if isinstance(error, ELFError | struct.error | UnicodeDecodeError):
            raise BuildError(f"{self._path} is no ELF file that can be read: {error}") from error


def _open(data: bytes) -> ELFFile:
    from elftools.elf.elffile import ELFFile

    return ELFFile(io.BytesIO(data))


def _whole(content: memoryview, entry: struct.Struct) -> memoryview:
    """As many whole entries as there are."""
    return content[: len(content) // entry.size * entry.size]


def _notes(content: bytes) -> Iterator[Note]:
    place = 0
    while place + _NOTE.size <= len(content):
        name_size, size, kind = _NOTE.unpack_from(content, place)
        name = place + _NOTE.size
        body = name + (name_size + 3) // 4 * 4
        yield Note(
            content[name : name + name_size].rstrip(b"\0").decode(errors="replace"), kind, content[body : body + size]
        )
        place = body + (size + 3) // 4 * 4
