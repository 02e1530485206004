# SPDX-License-Identifier: GPL-2.0-only
"""Unwind tables: where functions begin and end, also without symbols, and where exceptions land in them.

Read are ``.eh_frame`` (the Linux Standard Base, "Exception Frames": CIEs and FDEs) and the
language-specific data areas of ``.gcc_except_table`` that these point to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from unilinux.core.errors import BuildError
from unilinux.elf.file import Elf, bytes_at

# DW_EH_PE_*: the format of a pointer is in the lower four bits, what it is relative to in the next three.
_ABSOLUTE, _OMITTED, _RELATIVE, _INDIRECT, _APPLICATION = 0x00, 0xFF, 0x10, 0x80, 0x70
_FORMATS: Mapping[int, struct.Struct] = MappingProxyType(
    {0x0: struct.Struct("<Q"), 0x2: struct.Struct("<H"), 0x3: struct.Struct("<I"), 0x4: struct.Struct("<Q"),
     0xA: struct.Struct("<h"), 0xB: struct.Struct("<i"), 0xC: struct.Struct("<q")}
)  # fmt: skip
_ULEB, _SLEB = 0x1, 0x9
_LONG = 0xFFFFFFFF  # a length of 8 bytes follows
_MOST = 1 << 24  # bytes of one language-specific data area


@dataclass(frozen=True, slots=True)
class Frame:
    """What is told of one piece of code: usually a function, or the part of it that seldom runs.

    ``is_signal``: it is returned to from a signal's handler. ``exceptions`` is the address of its
    language-specific data area; None: it has none.
    """

    address: int
    size_bytes: int
    is_signal: bool
    exceptions: int | None = None

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.size_bytes


@dataclass(frozen=True, slots=True)
class _Common:
    """What the frames of one CIE have in common: the encodings of their pointers."""

    pointers: int = _ABSOLUTE
    exceptions: int = _OMITTED
    augmented: bool = False
    is_signal: bool = False


def frames(elf: Elf) -> tuple[Frame, ...]:
    """The frames of a file, in the order of their addresses; none without ``.eh_frame``.

    :raise BuildError: the table is damaged.
    """
    section = elf.section(".eh_frame")
    if section is None or not section.size_bytes:
        return ()
    try:
        found = _read(bytes(section.content), section.address)
        return tuple(sorted((frame for frame in found if frame.size_bytes), key=lambda frame: frame.address))
    except (struct.error, IndexError, ValueError, KeyError) as error:
        raise BuildError(f"{elf.path}: its unwind table (.eh_frame) is damaged: {error}") from error


def landing_pads(elf: Elf, frame: Frame) -> frozenset[int]:
    """The addresses in a frame's code where exceptions go on.

    :raise BuildError: the table is damaged.
    """
    if frame.exceptions is None:
        return frozenset()
    segment = next(
        (one for one in elf.loaded if one.address <= frame.exceptions < one.address + len(one.content)), None
    )
    if segment is None:
        raise BuildError(f"{elf.path}: the exception table of the code at {frame.address:#x} isn't in the file")
    size = min(segment.address + len(segment.content) - frame.exceptions, _MOST)
    content = bytes_at([segment], frame.exceptions, size)
    assert content is not None  # it was just seen to be there
    try:
        return frozenset(_landings(_Reader(content, frame.exceptions), frame))
    except (struct.error, IndexError, KeyError) as error:
        raise BuildError(f"{elf.path}: the exception table at {frame.exceptions:#x} is damaged: {error}") from error


class _Reader:
    """Bytes that lie at an address, read one value after the other."""

    def __init__(self, content: bytes, address: int) -> None:
        self._content = content
        self._address = address
        self.place = 0

    def number(self, form: struct.Struct) -> int:
        (value,) = form.unpack_from(self._content, self.place)
        self.place += form.size
        return int(value)

    def byte(self) -> int:
        self.place += 1
        return self._content[self.place - 1]

    def text(self) -> bytes:
        end = self._content.index(b"\0", self.place)
        found = self._content[self.place : end]
        self.place = end + 1
        return found

    def leb(self, *, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value

    def pointer(self, encoding: int) -> int | None:
        """A pointer; None: it is omitted, or told in a way that only a running program can follow."""
        if encoding == _OMITTED:
            return None
        at, form = self._address + self.place, encoding & 0xF
        value = self.leb(signed=form == _SLEB) if form in (_ULEB, _SLEB) else self.number(_FORMATS[form])
        if encoding & _INDIRECT or encoding & _APPLICATION not in (_ABSOLUTE, _RELATIVE) or value == 0:
            return None
        return value + at if encoding & _APPLICATION == _RELATIVE else value


def _read(content: bytes, address: int) -> Iterator[Frame]:
    reader, known = _Reader(content, address), dict[int, _Common]()
    while reader.place + 4 <= len(content):
        start = reader.place
        length = reader.number(_FORMATS[0x3])
        if length == _LONG:
            length = reader.number(_FORMATS[0x4])
        if not length:
            reader.place = start + 4  # the end, or the end of one of several tables in a row
            continue
        body = reader.place
        if body + length > len(content):
            raise ValueError("an entry goes beyond the end")
        back = reader.number(_FORMATS[0x3])
        if not back:
            known[start] = _common(reader)
        else:
            yield from _frame(reader, known[body - back])
        reader.place = body + length


def _common(reader: _Reader) -> _Common:
    version, augmentation = reader.byte(), reader.text()
    reader.leb()  # code alignment
    reader.leb(signed=True)  # data alignment
    if version == 1:
        reader.byte()  # the column of the return address
    else:
        reader.leb()
    if not augmentation.startswith(b"z"):
        return _Common()
    reader.leb()
    pointers, exceptions = _ABSOLUTE, _OMITTED
    for letter in augmentation[1:].decode("latin-1"):
        if letter == "R":
            pointers = reader.byte()
        elif letter == "L":
            exceptions = reader.byte()
        elif letter == "P":
            reader.pointer(reader.byte())
    return _Common(pointers, exceptions, augmented=True, is_signal=b"S" in augmentation)


def _frame(reader: _Reader, common: _Common) -> Iterator[Frame]:
    address = reader.pointer(common.pointers)
    size = reader.pointer(common.pointers & 0xF)
    if common.augmented:
        reader.leb()
    exceptions = reader.pointer(common.exceptions) if common.augmented else None
    if address is not None:
        yield Frame(address, size or 0, common.is_signal, exceptions)


def _landings(reader: _Reader, frame: Frame) -> Iterator[int]:
    base = reader.pointer(reader.byte())
    if reader.byte() != _OMITTED:  # the table of types
        reader.leb()
    form = reader.byte() & 0xF  # of the table of call sites, which has plain numbers
    length = reader.leb()
    end = reader.place + length
    while reader.place < end:
        numbers = [reader.leb() if form == _ULEB else reader.number(_FORMATS[form]) for _ in range(3)]
        reader.leb()  # the action
        if numbers[2]:
            yield (frame.address if base is None else base) + numbers[2]
