# SPDX-License-Identifier: GPL-2.0-only
"""Measuring a kernel that isn't ours: without our patches, and perhaps without symbols.

Without symbols the counter still sees what has an address that is known from
outside: where the loader enters, where the unpacked kernel begins, and the first
instructions of two programs that are linked to fixed addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unilinux.core.errors import BuildError, VmError
from unilinux.core.events import Progress
from unilinux.core.store import Store
from unilinux.core.tree import Entry, File
from unilinux.elf.file import parse_elf, read_elf
from unilinux.measure.boot.kernel import Kernel, read_kernel
from unilinux.measure.boot.stages import Application
from unilinux.measure.stock.symbols import files_of, stock_symbols
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.footprint import BzImage, read_bzimage
from unilinux.vm.outcome import End, Panic, Timeout
from unilinux.vm.vm import Vm

# A distribution's kernel says where it booted only at its own addresses: without
# nokaslr they are drawn anew each time. Its end is a panic, since no patch of ours
# ends the machine with PID 1; the machine is restarted then, which ends QEMU.
CMDLINE = ("console=ttyS0", "panic=-1", "reboot=t", "nokaslr")
"""The kernel's whole command line, apart from the profile's words about messages."""

STARTING = "^unilinux: starting "
"""What init says before it becomes the application."""


def header_of(bzimage: Path) -> BzImage:
    """Where a compressed kernel unpacks itself to.

    :raise VmError: the file isn't a bzImage.
    """
    header = read_bzimage(bzimage)
    if header is None:
        raise VmError(f"{bzimage} is no bzImage")
    return header


def kernel_of(
    boot: Boot, engine: Engine, application: Application, *, store: Store, progress: Progress, timeout_s: float
) -> Kernel:
    """What is known of a stock kernel: its symbols, from its own memory, or else where it unpacks itself to.

    A note says why it has no symbols.

    :raise VmError: its file isn't a bzImage.
    """
    header = header_of(boot.kernel)
    if application.pid1 is not None:
        try:
            found = stock_symbols(boot, engine, header, application.pid1, store=store, timeout_s=timeout_s)
            return read_kernel(*files_of(found))
        except (BuildError, VmError) as error:
            progress.note(f"the stages of {boot.kernel.name} can't be told apart: {error.message}")
    return Kernel(load_address=header.address)


def application_of(files: Iterable[Entry], argv: tuple[str, ...]) -> Application:
    """Where init and the application, both of ``files``, begin."""
    programs = {entry.path: entry.content for entry in files if isinstance(entry, File)}
    return Application(pid1=_entry(programs.get("/init")), main=_entry(programs.get(argv[0])))


def _entry(program: Path | bytes | None) -> int | None:
    """The address of the first instruction; None where it isn't fixed."""
    if program is None:
        return None
    try:
        elf = parse_elf(program, "a program") if isinstance(program, bytes) else read_elf(program)
    except BuildError:
        return None  # a script
    return elf.entry if elf.kind == "ET_EXEC" else None


def require_end_of_pid1(vm: Vm, outcome: Timeout | End) -> None:
    """A kernel without our patch panics when PID 1 has ended: here that is the expected end.

    :raise BootError: it ended in another way, or not in time.
    """
    if not (isinstance(outcome, Panic) and "Attempted to kill init" in outcome.text):
        raise vm.failure(outcome)
