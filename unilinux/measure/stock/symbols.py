# SPDX-License-Identifier: GPL-2.0-only
"""The symbols of a kernel whose package has none: from the table that the kernel has for its stack traces.

Two boots under a debugger, both without a word of the guest's: when PID 1 begins,
the kernel's memory has the table of symbols; when ``start_kernel`` is entered,
whose address is known then, it still has the table of initcalls, which is freed
later. They become files like those of a kernel of ours.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from unilinux.core.errors import BuildError, VmError
from unilinux.core.files import write_atomically
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.measure.boot.boots import debugged
from unilinux.measure.boot.kernel import KERNEL_MAP, LEVELS
from unilinux.measure.stock import kallsyms
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.footprint import BzImage
from unilinux.vm.gdbstub import GdbStub

SYSTEM_MAP, TABLE = "System.map", "vmlinux"

_DUMP = "memory"
_ELF = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


def stock_symbols(boot: Boot, engine: Engine, header: BzImage, pid1: int, *, store: Store, timeout_s: float) -> Output:
    """A folder with ``System.map``, and ``vmlinux``: an ELF file that has only the table of initcalls.

    :param boot: a boot of a bzImage with nokaslr, which ends in whatever way.
    :param pid1: the address of init's first instruction.
    :raise BuildError: the kernel carries no table of symbols, or has no initcalls.
    :raise VmError: it doesn't come so far.
    """
    step = Step(
        name="stock-symbols",
        label="reading a kernel's symbols out of its memory",
        spec={},
        files={"kernel": boot.kernel},
    )
    return store.run(step, lambda space: _read(space, boot, engine, header, pid1, timeout_s))


def _read(space: Workspace, boot: Boot, engine: Engine, header: BzImage, pid1: int, timeout_s: float) -> None:
    space.step.detail("up to PID 1")
    dump = space.scratch / _DUMP
    with debugged(boot, engine) as (vm, stub):
        _run_to(stub, pid1, timeout_s)
        vm.save_memory(header.address, header.size, dump)
    found = kallsyms.read_kallsyms(dump.read_bytes(), KERNEL_MAP + header.address)
    places: dict[str, int] = {}
    for symbol in found:
        places.setdefault(symbol.name, symbol.address)
    first, last = _initcalls(places)
    space.step.detail("up to start_kernel")
    with debugged(boot, engine) as (_, stub):
        _run_to(stub, places["start_kernel"], timeout_s)
        table = stub.read(first, last - first)
    write_atomically(space.out / SYSTEM_MAP, "".join(f"{symbol.line()}\n" for symbol in found))
    (space.out / TABLE).write_bytes(elf_of(first, table))


def _run_to(stub: GdbStub, address: int, timeout_s: float) -> None:
    stub.set_breakpoint(address)
    stub.resume()
    if stub.wait(timeout_s) is None:
        raise VmError(f"the guest did not come to {address:#x} within {timeout_s:g} s")


def _initcalls(places: Mapping[str, int]) -> tuple[int, int]:
    """Where the table of initcalls begins and ends."""
    bounds = [places[name] for name in LEVELS if name in places]
    if len(bounds) < 2 or "start_kernel" not in places:
        raise BuildError("this kernel's table of symbols doesn't name its initcalls (CONFIG_KALLSYMS_ALL)")
    return min(bounds), max(bounds)


def elf_of(address: int, content: bytes) -> bytes:
    """An ELF file with one segment."""
    offset = _ELF.size + _SEGMENT.size
    head = _ELF.pack(b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, _ELF.size, 0, 0, _ELF.size, _SEGMENT.size, 1, 64, 0, 0)
    return head + _SEGMENT.pack(1, 4, offset, address, address, len(content), len(content), 8) + content


def files_of(output: Output) -> tuple[Path, Path]:
    """``vmlinux`` and ``System.map``, for :func:`unilinux.measure.kernel.read_kernel`."""
    return output.path / TABLE, output.path / SYSTEM_MAP
