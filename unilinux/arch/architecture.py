# SPDX-License-Identifier: GPL-2.0-only
"""The processor architectures that images can be built for, each as one record of names and paths.

What is inherently x86 isn't here: the instruction decoder (``redirect/decode.py``), the probe guest
(``vm/probe.py``), the kernel's patches. Those say so themselves.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Names and paths that depend on the architecture. Paths are relative to a kernel's source or output folder."""

    name: str
    """As ``uname -m`` says it."""
    make_arch: str
    """``ARCH`` of the kernel's make."""
    source_arch: str
    """``SRCARCH`` of the kernel's Makefile: its folder below ``arch/``. Also ``ARCH`` where Kconfig is read."""
    bits: int
    """Of a pointer."""
    boot_image: str
    """What loaders other than QEMU's boot, below ``arch/SRCARCH/boot``."""
    tool_prefix: str
    """The GNU triplet of our own tool chain, with its dash: ``gcc`` and its companions are named so."""
    elf_machine: str
    """``e_machine`` of its programs, as elf.h names it."""
    emulator: str
    """QEMU's program."""
    system_call_table: str
    """Lists numbers, names and entry points of the system calls."""
    system_call_header: str
    """Defines ``__NR_NAME``; relative to ``include/`` of the installed headers."""
    system_call_symbol: str
    """How the kernel names the function of a system call; ``{}`` is its entry point in the table."""
    rings: tuple[int, ...]
    """Privilege rings that applications can run in; the gate into the kernel takes ring 0."""

    @property
    def folder(self) -> str:
        """The architecture's folder in the kernel's source, and where its objects are in the output folder."""
        return f"arch/{self.source_arch}"

    @property
    def user_headers(self) -> str:
        """The folder of its headers for programs."""
        return f"{self.folder}/include/uapi/asm"

    @property
    def boot_image_path(self) -> str:
        """Where kbuild writes :attr:`boot_image`."""
        return f"{self.folder}/boot/{self.boot_image}"


X86_64 = Architecture(
    name="x86_64",
    make_arch="x86_64",
    source_arch="x86",
    bits=64,
    boot_image="bzImage",
    tool_prefix="x86_64-unilinux-musl-",
    elf_machine="EM_X86_64",
    emulator="qemu-system-x86_64",
    system_call_table="arch/x86/entry/syscalls/syscall_64.tbl",
    system_call_header="asm/unistd_64.h",
    system_call_symbol="__x64_{}",
    rings=(0, 3),
)
