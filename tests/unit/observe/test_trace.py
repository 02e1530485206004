# SPDX-License-Identifier: GPL-2.0-only
"""What the tracer makes of stops, with a guest of two registers and a little memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import cast

import pytest

from unilinux.core.errors import VmError
from unilinux.elf.file import Segment
from unilinux.observe.constants import read_constants
from unilinux.observe.syscalls import read_table
from unilinux.observe.trace import APPLICATION, INIT, CallTracer, CallUse
from unilinux.observe.unwind import CodeRange, Unwinder
from unilinux.vm.gdbstub import GdbStub, MachineGoneError, Registers, Stop, UnreadableMemoryError

DISPATCH, AFTER = 0xFFFFFFFF81000000, 0xFFFFFFFF81200000
SAVED, KERNEL_STACK, USER_STACK, TEXT = 0xFFFFC90000003F58, 0xFFFFC90000003F50, 0x7FFF0000, 0x401000
PATH = 0x403000
WRITE, SOCKET, EXECVE, UNKNOWN_CALL = 1, 41, 59, 999
PROGRAM = Unwinder((CodeRange(TEXT, TEXT + 16, "main"),), (Segment(TEXT, b"\x0f\x05" + bytes(14)),), frozenset())


def registers(rip: int, **values: int) -> Registers:
    return Registers(**{**dict.fromkeys((one.name for one in fields(Registers)), 0), "rip": rip, **values})


def saved(number: int, *arguments: int, result: int = -38) -> bytes:
    """struct pt_regs."""
    words = [0] * 21
    for index, value in zip((14, 13, 12, 7, 9, 8), arguments, strict=False):
        words[index] = value
    words[10], words[15], words[16], words[19] = result & (1 << 64) - 1, number, TEXT + 2, USER_STACK
    return struct.pack("<21Q", *words)


@dataclass
class Guest:
    """A stub whose guest makes these calls: (number, arguments, result; None: it doesn't return)."""

    calls: list[tuple[int, tuple[int, ...], int | None]]
    breakpoints: set[int] = field(default_factory=set)
    closed: bool = False
    complaint: VmError = field(default_factory=lambda: MachineGoneError("the machine has ended"))
    state: Registers = field(default_factory=lambda: registers(0))
    memory: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stops = self._run()

    def _run(self) -> Iterator[None]:
        for number, arguments, result in self.calls:
            self.memory = {
                SAVED: saved(number, *arguments),
                KERNEL_STACK: struct.pack("<Q", AFTER),
                PATH: b"/bin/app",
            }
            self.state = registers(DISPATCH, rdi=SAVED, rsi=number, rsp=KERNEL_STACK)
            yield
            if result is not None:
                self.memory[SAVED + 80] = struct.pack("<q", result)
                self.state = registers(AFTER, rsp=SAVED)
                yield

    def set_breakpoint(self, address: int) -> None:
        self.breakpoints.add(address)

    def resume(self) -> None:
        if next(self._stops, self) is self:
            raise self.complaint

    def wait(self, timeout_s: float) -> Stop:
        return Stop(5, 1)

    def registers(self) -> Registers:
        return self.state

    def read(self, address: int, size: int) -> bytes:
        if address not in self.memory:
            raise UnreadableMemoryError(f"{address:#x}")
        return self.memory[address][:size]

    def read_string(self, address: int) -> bytes:
        return self.read(address, 256)

    def close(self) -> None:
        self.closed = True


def traced(tree: Path, guest: Guest) -> CallTracer:
    tracer = CallTracer(
        cast(GdbStub, guest),
        DISPATCH,
        table=read_table(tree),
        constants=read_constants(tree),
        programs={"/bin/app": PROGRAM},
    )
    tracer.run()
    assert guest.closed
    return tracer


def test_calls_before_execve_are_inits(tree: Path) -> None:
    guest = Guest([(WRITE, (1,), 5), (EXECVE, (PATH,), 0), (WRITE, (1,), 5), (WRITE, (1,), 5)])
    tracer = traced(tree, guest)
    assert tracer.failure is None
    assert tracer.entered == 4
    assert guest.breakpoints == {DISPATCH, AFTER}
    assert tracer.uses() == (
        CallUse(by=INIT, number=WRITE, name="write"),
        CallUse(by=INIT, number=EXECVE, name="execve", detail="/bin/app"),
        CallUse(by=APPLICATION, number=WRITE, name="write", place="main", chain=("main",), count=2),
    )


def test_a_failed_execve_starts_nothing(tree: Path) -> None:
    uses = traced(tree, Guest([(EXECVE, (PATH,), -2), (WRITE, (1,), 5)])).uses()
    assert [use.by for use in uses] == [INIT, INIT]
    assert uses[1].failures == {"ENOENT": 1}


def test_failures_and_calls_that_never_return(tree: Path) -> None:
    calls: list[tuple[int, tuple[int, ...], int | None]] = [(SOCKET, (2, 1), -38), (SOCKET, (2, 1), 3)]
    uses = traced(tree, Guest([*calls, (UNKNOWN_CALL, (), None)])).uses()
    assert uses == (
        CallUse(by=INIT, number=SOCKET, name="socket", detail="AF_INET, SOCK_STREAM", count=2, failures={"ENOSYS": 1}),
        CallUse(by=INIT, number=UNKNOWN_CALL, name="(number 999)", pending=1),
    )


def test_a_stub_that_fails_is_told(tree: Path) -> None:
    tracer = traced(tree, Guest([(WRITE, (1,), 5)], complaint=VmError("QEMU's gdb stub refused")))
    assert str(tracer.failure) == "QEMU's gdb stub refused"


def test_a_bug_in_the_tracer_is_no_end_of_the_machine(tree: Path) -> None:
    class Confused(Guest):
        def registers(self) -> Registers:
            raise LookupError("a bug")

    tracer = traced(tree, Confused([(WRITE, (1,), 5)]))
    assert isinstance(tracer.failure, LookupError)


@pytest.mark.parametrize("use", [CallUse(by=INIT, number=1, name="write", failures={"EPIPE": 2}, chain=("a", "b"))])
def test_a_use_comes_back_from_json(use: CallUse) -> None:
    assert CallUse.from_document(use.document()) == use
