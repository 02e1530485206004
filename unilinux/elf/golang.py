# SPDX-License-Identifier: GPL-2.0-only
"""The functions of programs that Go's linker made: its own table has them, also when symbols were stripped.

The table is described in Go's ``src/debug/gosym/pclntab.go``, and its versions by their magic numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from unilinux.core.errors import BuildError
from unilinux.elf.file import Elf, Section, Symbol

_SECTIONS = (".gopclntab", ".data.rel.ro.gopclntab")
_GO_1_16, _GO_1_18, _GO_1_20 = 0xFFFFFFFA, 0xFFFFFFF0, 0xFFFFFFF1
_HEADER = struct.Struct("<IHBBQQ")  # magic, zeros, least size of an instruction, of a pointer, functions, files
_OFFSETS_1_16 = struct.Struct("<5Q")  # of names, compilation units, files, program counters, functions
_OFFSETS = struct.Struct("<6Q")  # the same after the address of the code
_FUNCTION = 2  # STT_FUNC


def is_go(elf: Elf) -> bool:
    """Whether Go's linker made a program."""
    return _table(elf) is not None or elf.section(".note.go.buildid") is not None


def go_symbols(elf: Elf) -> tuple[Symbol, ...]:
    """The functions of Go's table, as symbols; none for other programs, and for versions that aren't known.

    :raise BuildError: the table is damaged.
    """
    section, text = _table(elf), elf.section(".text")
    if section is None or text is None:
        return ()
    try:
        return tuple(_read(bytes(section.content), text.address, elf.sections.index(text)))
    except (struct.error, ValueError) as error:
        raise BuildError(f"{elf.path}: Go's table of functions is damaged: {error}") from error


def _table(elf: Elf) -> Section | None:
    return next((found for name in _SECTIONS if (found := elf.section(name)) is not None), None)


def _read(content: bytes, text: int, number: int) -> Iterator[Symbol]:
    magic, _, _, pointer, count, _ = _HEADER.unpack_from(content)
    if pointer != 8 or magic not in (_GO_1_16, _GO_1_18, _GO_1_20):
        return
    if magic == _GO_1_16:
        names, _, _, _, table = _OFFSETS_1_16.unpack_from(content, _HEADER.size)
        start, entry, address = 0, struct.Struct("<QQ"), struct.Struct("<Q")
    else:
        start, names, _, _, _, table = _OFFSETS.unpack_from(content, _HEADER.size)
        start = start or text  # where a program can be at any address, it is told when that is known
        entry, address = struct.Struct("<II"), struct.Struct("<I")
    for place in range(count):
        offset, function = entry.unpack_from(content, table + place * entry.size)
        # The next function's beginning; behind the last entry there is the end of the last function.
        (end,) = address.unpack_from(content, table + (place + 1) * entry.size)
        (name_at,) = struct.unpack_from("<i", content, table + function + address.size)
        name = content[names + name_at : content.index(b"\0", names + name_at)].decode(errors="replace")
        yield Symbol(name, start + offset, end - offset, _FUNCTION, is_global=False, section=number)
