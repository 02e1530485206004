# SPDX-License-Identifier: GPL-2.0-only
"""What measuring needs to know about a kernel: its symbols and its table of initcalls.

System.map gives names and addresses. The table of initcalls is read from the
image itself, since names of static functions aren't unique.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from unilinux.core.errors import BuildError
from unilinux.elf.file import bytes_at, read_elf

# arch/x86/include/asm/page_64_types.h: __START_KERNEL_map. The image is linked
# there; before paging is set up it runs this much lower.
KERNEL_MAP = 0xFFFFFFFF80000000
# .head.text, which runs before paging is set up, is the first thing in the image.
HEAD_BYTES = 0x2000
# include/asm-generic/vmlinux.lds.h: INIT_CALLS
LEVELS: Mapping[str, str] = {
    "__initcall_start": "early",
    "__initcall0_start": "pure",
    "__initcall1_start": "core",
    "__initcall2_start": "postcore",
    "__initcall3_start": "arch",
    "__initcall4_start": "subsys",
    "__initcall5_start": "fs",
    "__initcallrootfs_start": "rootfs",
    "__initcall6_start": "device",
    "__initcall7_start": "late",
    "__initcall_end": "",
}


@dataclass(frozen=True, slots=True)
class TextSymbol:
    """A piece of kernel text: from its address to the next one's."""

    address: int
    name: str


@dataclass(frozen=True, slots=True)
class Initcall:
    """A function that the kernel calls once while it boots, at one of the levels."""

    level: str
    address: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Symbols by name (the first of that name) and, in order, functions and initcalls.

    A kernel without symbols (a distribution's) is ``Kernel(load_address=…)``: its
    stages are those that can be told from outside.
    """

    symbols: Mapping[str, int] = field(default_factory=dict)
    functions: tuple[TextSymbol, ...] = ()
    initcalls: tuple[Initcall, ...] = ()
    load_address: int = 0x1000000

    def addresses(self, *names: str) -> tuple[int, ...]:
        """Addresses of those of ``names`` that this kernel has, each also where it runs before paging."""
        found = [self.symbols[name] for name in names if name in self.symbols]
        return tuple(alias for address in found for alias in self._aliases(address))

    def extent(self, name: str) -> tuple[int, int] | None:
        """Where a function begins and the next one does."""
        start = self.symbols.get(name)
        if start is None:
            return None
        return start, min((f.address for f in self.functions if f.address > start), default=start + 1)

    def early_functions(self) -> tuple[TextSymbol, ...]:
        """The functions that run at physical addresses, there."""
        text = self.symbols.get("_text", 0)
        head = (f for f in self.functions if text <= f.address < text + HEAD_BYTES)
        return tuple(TextSymbol(f.address - KERNEL_MAP, f.name) for f in head)

    def _aliases(self, address: int) -> tuple[int, ...]:
        text = self.symbols.get("_text", 0)
        return (address, address - KERNEL_MAP) if text <= address < text + HEAD_BYTES else (address,)


def read_kernel(vmlinux: Path, system_map: Path) -> Kernel:
    """The symbols of System.map and the initcalls of vmlinux (stripped or not).

    :raise BuildError: a file is missing or isn't what it should be.
    """
    try:
        lines = system_map.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise BuildError(f"cannot read {error.filename}: {error.strerror}") from error
    symbols: dict[str, int] = {}
    texts: dict[int, str] = {}
    for line in lines:
        words = line.split()
        if len(words) != 3:
            raise BuildError(f"{system_map}: not a System.map: {line[:60]!r}")
        address = int(words[0], 16)
        symbols.setdefault(words[2], address)
        # Absolute per-CPU offsets and the like aren't text; aliases: the first is as good.
        if words[1] in "tTwW" and address >= KERNEL_MAP:
            texts.setdefault(address, words[2])
    functions = tuple(TextSymbol(address, name) for address, name in sorted(texts.items()))
    load = symbols.get("_text", KERNEL_MAP + 0x1000000) - KERNEL_MAP
    initcalls = _initcalls(vmlinux, symbols, texts)
    return Kernel(symbols=symbols, functions=functions, initcalls=initcalls, load_address=load)


def _initcalls(path: Path, symbols: Mapping[str, int], texts: Mapping[int, str]) -> tuple[Initcall, ...]:
    found: list[Initcall] = []
    names = [name for name in LEVELS if name in symbols]
    segments = read_elf(path).loaded
    for name, following in pairwise(names):
        # CONFIG_HAVE_ARCH_PREL32_RELOCATIONS: each entry is its target's distance from itself.
        for entry in range(symbols[name], symbols[following], 4):
            data = bytes_at(segments, entry, 4)
            if data is None:
                raise BuildError(f"{path} has nothing at {entry:#x}: this System.map belongs to another vmlinux")
            (distance,) = struct.unpack("<i", data)
            target = (entry + distance) & 0xFFFFFFFFFFFFFFFF
            found.append(Initcall(LEVELS[name], target, texts.get(target, f"{target:#x}")))
    return tuple(found)
