# SPDX-License-Identifier: GPL-2.0-only
"""A linked ELF file with changed instructions, and one more segment of code.

Nothing of the file moves: addresses, symbols, the build id and debug information stay valid. The table
of program headers grows, so a copy of it goes to the beginning of the new segment, which lies behind all
others. Where section headers are, they are copied to the end with two more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unilinux.core.errors import BuildError
from unilinux.elf.file import Elf, Note

CODE_SECTION, NOTE_SECTION = ".text.unilinux", ".note.unilinux"

_PAGE = 0x1000
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_NOTE = struct.Struct("<III")  # Elf64_Nhdr
_LOAD, _NOTES, _TABLE = 1, 4, 6  # PT_LOAD, PT_NOTE, PT_PHDR
_READABLE, _READABLE_CODE = 4, 5  # PF_R, PF_R | PF_X
_BITS, _NOTE_BITS = 1, 7  # SHT_PROGBITS, SHT_NOTE
_ALLOCATED, _EXECUTABLE = 2, 4  # SHF_ALLOC, SHF_EXECINSTR
_MOST_HEADERS = 0xFF00  # SHN_LORESERVE, below PN_XNUM: above these, counts are told elsewhere
_MOST_PADDING = 4 << 20  # bytes
_ALIGNMENT = 16  # of the code


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes at an address that become others, as many."""

    address: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class _Table:
    """The program headers with the two new ones, and where they and what follows will lie."""

    headers: tuple[tuple[int, ...], ...]
    offset: int
    address: int

    @property
    def size_bytes(self) -> int:
        return len(self.headers) * _PROGRAM_HEADER.size

    @property
    def code_at(self) -> int:
        """How far behind the table's beginning the code begins."""
        return _rounded(self.size_bytes, _ALIGNMENT)


def code_address(elf: Elf) -> int:
    """Where the code of a further segment will lie.

    :raise BuildError: the file cannot have one.
    """
    table = _table(elf)
    return table.address + table.code_at


def extended(elf: Elf, code: bytes, note: Note, edits: Iterable[Edit]) -> bytes:
    """The bytes of the file with edits, and with a segment that has ``code`` and ``note``.

    :raise BuildError: the file cannot have a further segment, or an edit isn't of what is there.
    """
    data, table, told = bytearray(elf.content), _table(elf), _encoded(note)
    for edit in edits:
        _apply(data, elf, edit)
    note_at = _rounded(table.code_at + len(code), 4)
    size = note_at + len(told)
    headers = [_filled(header, table, size, note_at, len(told)) for header in table.headers]
    data += bytes(table.offset - len(data))
    data += b"".join(_PROGRAM_HEADER.pack(*header) for header in headers)
    data += bytes(table.offset + table.code_at - len(data)) + code
    data += bytes(table.offset + note_at - len(data)) + told
    fields = list(_HEADER.unpack_from(elf.content))
    fields[5], fields[10] = table.offset, len(headers)  # e_phoff, e_phnum
    added = (
        _Added(CODE_SECTION, _BITS, _ALLOCATED | _EXECUTABLE, table, table.code_at, len(code), _ALIGNMENT),
        _Added(NOTE_SECTION, _NOTE_BITS, _ALLOCATED, table, note_at, len(told), 4),
    )
    data[: _HEADER.size] = _HEADER.pack(*_with_sections(data, fields, added))
    return bytes(data)


def _table(elf: Elf) -> _Table:
    fields = _HEADER.unpack_from(elf.content)
    start, count, loaded = fields[5], fields[10], elf.loaded
    if elf.kind not in ("ET_EXEC", "ET_DYN") or not loaded:
        raise BuildError(f"{elf.path} is no program and no library: it has nothing that is loaded")
    if count + 2 >= _MOST_HEADERS:
        raise BuildError(f"{elf.path} has too many segments to get another one")
    headers = [_PROGRAM_HEADER.unpack_from(elf.content, start + n * _PROGRAM_HEADER.size) for n in range(count)]
    base = min(segment.address - segment.offset for segment in loaded) & -_PAGE
    end = max(segment.address + segment.size_bytes for segment in loaded)
    address = _rounded(max(end, base + len(elf.content)), _PAGE)
    # The loaders of glibc and musl look for their own table at the distance from their beginning that it has in
    # the file. Only behind a large part that isn't in the file (.bss) would that be a waste; these are programs.
    offset = address - base
    if offset - len(elf.content) > _MOST_PADDING:
        offset = _rounded(len(elf.content), _PAGE)
    last = max(number for number, header in enumerate(headers) if header[0] == _LOAD)
    empty = (0,) * 6
    headers.insert(last + 1, (_LOAD, _READABLE_CODE, *empty))  # loaders want them in the order of addresses
    headers.append((_NOTES, _READABLE, *empty))
    return _Table(tuple(headers), offset, address)


def _filled(header: tuple[int, ...], table: _Table, size: int, note_at: int, note_size: int) -> tuple[int, ...]:
    """A program header as it finally is: those of the table itself, and the two new ones."""
    kind, flags, *rest = header
    if kind == _TABLE:
        at, length, alignment = 0, table.size_bytes, rest[5]
    elif any(rest):
        return header
    elif (kind, flags) == (_LOAD, _READABLE_CODE):
        at, length, alignment = 0, size, _PAGE
    elif (kind, flags) == (_NOTES, _READABLE):
        at, length, alignment = note_at, note_size, 4
    else:
        return header
    place = table.address + at
    return (kind, flags, table.offset + at, place, place, length, length, alignment)


@dataclass(frozen=True, slots=True)
class _Added:
    """A section of the new segment; ``at`` is how far behind its beginning."""

    name: str
    kind: int
    flags: int
    table: _Table
    at: int
    size_bytes: int
    alignment: int

    def header(self, name_at: int) -> bytes:
        place = (self.table.address + self.at, self.table.offset + self.at)
        return _SECTION_HEADER.pack(name_at, self.kind, self.flags, *place, self.size_bytes, 0, 0, self.alignment, 0)


def _with_sections(data: bytearray, fields: list[int], added: Sequence[_Added]) -> list[int]:
    """Write the section headers with the added ones behind ``data``, if there are any; the file header's fields."""
    start, size, count, names_number = fields[6], fields[11], fields[12], fields[13]
    if not count or size != _SECTION_HEADER.size or count + len(added) >= _MOST_HEADERS or names_number >= count:
        return fields
    headers = [list(_SECTION_HEADER.unpack_from(data, start + n * size)) for n in range(count)]
    names = headers[names_number]
    text = bytes(data[names[4] : names[4] + names[5]])
    new = []
    for section in added:
        new.append(section.header(len(text)))
        text += section.name.encode() + b"\0"
    names[4], names[5] = len(data), len(text)
    data += text
    data += bytes(-len(data) % 8)
    fields[6], fields[12] = len(data), count + len(added)
    data += b"".join(_SECTION_HEADER.pack(*header) for header in headers) + b"".join(new)
    return fields


def _apply(data: bytearray, elf: Elf, edit: Edit) -> None:
    found = next((one for one in elf.loaded if one.address <= edit.address < one.address + len(one.content)), None)
    if found is None or len(edit.old) != len(edit.new):
        raise BuildError(f"{elf.path}: there is nothing to change at {edit.address:#x}")
    start = found.offset + edit.address - found.address
    if bytes(data[start : start + len(edit.old)]) != edit.old:
        raise BuildError(f"{elf.path}: at {edit.address:#x} there are other bytes than {edit.old.hex(' ')}")
    data[start : start + len(edit.old)] = edit.new


def _encoded(note: Note) -> bytes:
    owner = note.owner.encode() + b"\0"
    body = owner + bytes(-len(owner) % 4) + note.content
    return _NOTE.pack(len(owner), len(note.content), note.kind) + body + bytes(-len(body) % 4)


def _rounded(value: int, to: int) -> int:
    return (value + to - 1) // to * to
