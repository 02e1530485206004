# SPDX-License-Identifier: GPL-2.0-only
"""Where the bytes of a vmlinux are: by section, by subsystem, by object file, by symbol."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.arch.architecture import X86_64
from unilinux.core import command
from unilinux.core.errors import BuildError

# Sections that take memory, but no bytes of the file.
_NO_BYTES = (".bss", ".brk")
_NO_BYTES_SYMBOLS = frozenset("bB")
_SYMBOL = re.compile(r"^(?P<address>[0-9a-f]{16}) ((?P<size>[0-9a-f]{16}) )?(?P<kind>\w) (?P<name>\S+)$", re.MULTILINE)
# What is linked beside vmlinux.a (KBUILD_VMLINUX_LIBS).
_LIBRARIES = ("lib/lib.a", f"{X86_64.folder}/lib/lib.a")
PADDING = "(padding, tables)"
APPLICATION = "(initramfs)"
UNKNOWN = "(linker, generated)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bytes of a loaded image, the largest first.

    ``sections`` are those that are loaded; ``objects`` and ``symbols`` only count
    what is in the file, not what is zeroed at boot (``zeroed``, with the rest of the
    memory that the image takes). What no symbol covers is :data:`PADDING`.
    """

    loaded: int
    zeroed: int
    sections: Mapping[str, int]
    objects: Mapping[str, int]
    symbols: Mapping[str, int]

    @property
    def is_told_apart(self) -> bool:
        """Whether it is known which object each symbol comes from."""
        return any("/" in name for name in self.objects)

    def subsystems(self, depth: int = 1) -> Mapping[str, int]:
        """Bytes by the first ``depth`` folders of the source tree: ``net``, ``net/ipv4``."""
        sums: Counter[str] = Counter()
        for path, count in self.objects.items():
            sums["/".join(path.split("/")[:-1][:depth]) or path] += count
        return dict(sums.most_common())

    def document(self, most: int = 20) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "loaded": self.loaded,
            "zeroed": self.zeroed,
            "sections": dict(self.sections),
            "subsystems": dict(self.subsystems()),
            "objects": dict(list(self.objects.items())[:most]),
            "symbols": dict(list(self.symbols.items())[:most]),
        }


@dataclass(frozen=True, slots=True)
class Symbol:
    """A row of ``nm -S``: ``size`` is in bytes, 0 where it isn't known, ``kind`` nm's letter."""

    address: int
    size: int
    kind: str
    name: str


def measure_size(vmlinux: Path, archive: Path | None) -> Size:
    """The sizes of a vmlinux with its symbols.

    ``archive`` is kbuild's ``vmlinux.a``, with the objects that it names: it tells
    which object a symbol comes from. Without it all objects are unknown.

    :raise HostError: binutils isn't installed.
    :raise CommandError: a file is missing or isn't an ELF file.
    """
    sections = _sections(command.run(["size", "-A", "-d", vmlinux]).output)
    symbols = read_symbols(vmlinux)
    homes = homes_of_symbols(archive) if archive else {}
    loaded = sum(size for name, size in sections.items() if not name.startswith(_NO_BYTES))
    objects: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for symbol, home in with_homes(_without_aliases(symbols), homes):
        if symbol.kind not in _NO_BYTES_SYMBOLS:
            objects[home] += symbol.size
            sizes[symbol.name] += symbol.size
    places = {symbol.name: symbol.address for symbol in symbols}
    objects[APPLICATION] = places.get("__initramfs_size", 0) - places.get("__initramfs_start", 0)
    objects[PADDING] = max(0, loaded - objects.total())
    return Size(
        loaded=loaded,
        zeroed=sum(sections.values()) - loaded,
        sections=dict(Counter(sections).most_common()),
        objects=dict(objects.most_common()),
        symbols=dict(sizes.most_common()),
    )


def read_symbols(vmlinux: Path) -> list[Symbol]:
    """The symbols of a vmlinux, by address.

    :raise BuildError: it has none.
    :raise HostError: binutils isn't installed.
    """
    listed = command.run(["nm", "-S", "-n", vmlinux]).output
    symbols = [
        Symbol(int(match["address"], 16), int(match["size"] or "0", 16), match["kind"], match["name"])
        for match in _SYMBOL.finditer(listed)
    ]
    if not symbols:
        raise BuildError(f"{vmlinux} has no symbols", hint="give the vmlinux.debug of the image")
    return symbols


def differences(was: Mapping[str, int], now: Mapping[str, int]) -> tuple[tuple[str, int, int], ...]:
    """(name, bytes before, bytes after) of everything that differs, the largest difference first."""
    found = [(name, was.get(name, 0), now.get(name, 0)) for name in {*was, *now}]
    changed = (entry for entry in found if entry[1] != entry[2])
    return tuple(sorted(changed, key=lambda entry: (-abs(entry[2] - entry[1]), entry[0])))


def _sections(text: str) -> dict[str, int]:
    """Loaded sections of ``size -A -d``: name, size, address."""
    rows = (line.split() for line in text.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 3 and row[1].isdigit() and int(row[2])}


def _without_aliases(symbols: list[Symbol]) -> Iterator[Symbol]:
    """Each byte once: of symbols that overlap, the one that begins first and is longest."""
    reached = 0
    for symbol in sorted(symbols, key=lambda one: (one.address, -one.size)):
        if symbol.size and symbol.address >= reached:
            reached = symbol.address + symbol.size
            yield symbol


def homes_of_symbols(archive: Path) -> dict[tuple[str, int], tuple[str, ...]]:
    """Object files by name and size of the symbol: several have static functions of one name, and even of one size.

    ``archive`` is as for :func:`measure_size`; the libraries beside it are read, too.
    """
    homes: dict[tuple[str, int], dict[str, None]] = {}
    for library in (archive.name, *(name for name in _LIBRARIES if (archive.parent / name).exists())):
        listed = command.run(["nm", "-A", "-S", "--defined-only", library], cwd=archive.parent).output
        for line in listed.splitlines():
            place, _, rest = line.rpartition(":")
            words = rest.split()
            if len(words) == 4:
                homes.setdefault((words[3], int(words[1], 16)), {})[place.partition(":")[2]] = None
    return {symbol: tuple(places) for symbol, places in homes.items()}


def with_homes(
    symbols: Iterable[Symbol], homes: Mapping[tuple[str, int], tuple[str, ...]]
) -> Iterator[tuple[Symbol, str]]:
    """Symbols in order of their addresses with their object files; if several fit, that of the symbol before.

    The linker mostly keeps the order of the objects.
    """
    last = UNKNOWN
    for symbol in symbols:
        places = homes.get((symbol.name, symbol.size), (UNKNOWN,))
        last = last if last in places else places[0]
        yield symbol, last
