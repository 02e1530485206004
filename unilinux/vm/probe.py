# SPDX-License-Identifier: GPL-2.0-only
"""A guest of some instructions, to find out whether an accelerator can run one at all."""

from __future__ import annotations

import struct

PROBE_STATUS = 42

_BASE = 0x100000  # where the file is loaded
_NOTE = 0xC0  # offsets in the file
_GDT = 0xE0
_GDT_POINTER = 0xF0
_CODE = 0x100
_XEN_ELFNOTE_PHYS32_ENTRY = 18

# Page tables, in memory that is zero when the machine starts.
_PML4, _PDPT, _PD = 0x110000, 0x111000, 0x112000
_CODE_SEGMENT = 8


def probe_guest() -> bytes:
    """A 64-bit ELF file with a PVH note that reports ``exit 42`` and ends QEMU with code 85.

    It has in it what the start of Linux has: firmware, PVH entry, page tables,
    the switch to 64-bit mode, MSRs, CPUID, console and exit report. It counts to
    some millions, since there are hosts whose KVM runs code, but by emulation.
    """
    start = _into_long_mode()
    code = start + _IN_LONG_MODE + _say(0x3F8, "probe\n") + _say(0xE9, f"exit {PROBE_STATUS}\n")
    code += _out32(0xF4, PROBE_STATUS) + _STOP
    # A note: sizes of its name and description, type, name, description (the 32-bit entry point).
    note = struct.pack("<III4sI", 4, 4, _XEN_ELFNOTE_PHYS32_ENTRY, b"Xen\0", _BASE + _CODE)
    # A null descriptor and 64-bit code; then the limit and the address of this table.
    tables = struct.pack("<QQHI", 0, 0x00209A0000000000, 15, _BASE + _GDT)
    image = _headers(len(note), _CODE + len(code)).ljust(_NOTE, b"\0") + note
    return (image.ljust(_GDT, b"\0") + tables).ljust(_CODE, b"\0") + code


def _headers(note_size: int, size: int) -> bytes:
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH",
        b"\x7fELF", 2, 1, 1, 0,  # 64 bits, little endian
        2, 62, 1,  # executable, x86-64
        _BASE + _CODE, 64, 0, 0, 64, 56, 2, 64, 0, 0,  # two segments, no sections
    )  # fmt: skip
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    noted = struct.pack("<IIQQQQQQ", 4, 4, _NOTE, _BASE + _NOTE, _BASE + _NOTE, note_size, note_size, 4)
    return header + load + noted


def _into_long_mode() -> bytes:
    """32-bit code that maps the first 2 MiB to themselves and goes on in 64-bit mode."""
    code = b"".join(
        (
            _store32(_PML4, _PDPT | 3),  # present, writable
            _store32(_PDPT, _PD | 3),
            _store32(_PD, 0x83),  # present, writable, 2 MiB
            b"\xb8" + struct.pack("<I", _PML4),  # mov eax, PML4
            b"\x0f\x22\xd8",  # mov cr3, eax
            b"\x0f\x20\xe0\x83\xc8\x20\x0f\x22\xe0",  # cr4 |= PAE
            b"\xb9" + struct.pack("<I", 0xC0000080),  # mov ecx, EFER
            b"\x0f\x32\x80\xcc\x01\x0f\x30",  # rdmsr; or ah, 1 (LME); wrmsr
            b"\x0f\x20\xc0\x0d" + struct.pack("<I", 0x80000000) + b"\x0f\x22\xc0",  # cr0 |= PG
            b"\x0f\x01\x15" + struct.pack("<I", _BASE + _GDT_POINTER),  # lgdt
        )
    )
    jump_bytes = 7
    # ljmp to what follows
    return code + b"\xea" + struct.pack("<IH", _BASE + _CODE + len(code) + jump_bytes, _CODE_SEGMENT)


# Some 20 ms for a processor, minutes for a KVM that emulates each instruction.
_ROUNDS = 20_000_000

# xor eax, eax; cpuid; rdtsc; mov ecx, rounds; dec ecx; jnz back to the dec
_IN_LONG_MODE = b"\x31\xc0\x0f\xa2\x0f\x31\xb9" + struct.pack("<I", _ROUNDS) + b"\xff\xc9\x75\xfc"

# cli; hlt; jmp back to the hlt: what follows when nothing listens on port 0xf4.
_STOP = b"\xfa\xf4\xeb\xfd"


def _store32(address: int, value: int) -> bytes:
    # mov dword [address], value
    return b"\xc7\x05" + struct.pack("<II", address, value)


def _say(port: int, text: str) -> bytes:
    # mov dx, port; then for each character: mov al, character; out dx, al
    return b"\x66\xba" + struct.pack("<H", port) + b"".join(bytes((0xB0, letter, 0xEE)) for letter in text.encode())


def _out32(port: int, value: int) -> bytes:
    # mov dx, port; mov eax, value; out dx, eax
    return b"\x66\xba" + struct.pack("<H", port) + b"\xb8" + struct.pack("<I", value) + b"\xef"
