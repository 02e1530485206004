# SPDX-License-Identifier: GPL-2.0-only
"""Trace the system calls of a running guest, by breakpoints around the function that all of them pass.

In ring 3 every system call goes through do_syscall_64(regs, number). The guest isn't changed,
and its clocks stand still at each stop; a stop takes the host a millisecond or two.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unilinux.observe.constants import Constants
from unilinux.observe.syscalls import Arguments, SystemCall, detail, error_name
from unilinux.observe.unwind import Unwinder
from unilinux.vm.gdbstub import GdbStub, MachineGoneError, Registers, UnreadableMemoryError

INIT, APPLICATION = "init", "application"

# arch/x86/include/asm/ptrace.h: struct pt_regs of x86-64, words.
_PT_REGS = struct.Struct("<21Q")
_R10, _R9, _R8, _AX, _DX, _SI, _DI, _IP, _SP = 7, 8, 9, 10, 12, 13, 14, 16, 19
_ARGUMENTS = (_DI, _SI, _DX, _R10, _R8, _R9)
_WORD = struct.Struct("<q")
# Deep enough for printf's buffers between a system call and the application's function; two reads of the stub.
_STACK_BYTES = 4000
_PAGE = 4096
_WAIT_S = 1.0  # how often the tracer checks whether it shall stop


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUse:
    """A system call as it was made from one place with one set of arguments that matter.

    ``by`` is init or the application; ``place`` is the application's function that
    made it, ``chain`` the active functions, innermost first. ``count`` is how often;
    of these, ``failures`` failed (by name of the error), ``pending`` had not returned
    when the machine ended.
    """

    by: str
    number: int
    name: str
    detail: str = ""
    place: str = ""
    chain: tuple[str, ...] = ()
    count: int = 1
    failures: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0

    def document(self) -> dict[str, Any]:
        """Plain JSON data, for :meth:`from_document`."""
        return {
            "by": self.by,
            "number": self.number,
            "name": self.name,
            "detail": self.detail,
            "place": self.place,
            "chain": list(self.chain),
            "count": self.count,
            "failures": dict(self.failures),
            "pending": self.pending,
        }

    @classmethod
    def from_document(cls, data: Mapping[str, Any]) -> CallUse:
        """The value that :meth:`document` was made from."""
        return cls(**{**data, "chain": tuple(data["chain"])})


@dataclass(slots=True)
class _Tally:
    count: int = 0
    returned: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Key:
    by: str
    number: int
    name: str
    detail: str
    place: str
    chain: tuple[str, ...]


class CallTracer:
    """Records the system calls of a guest that a debugger holds, until the machine ends.

    ``programs`` are those that have symbols, by their path in the guest.
    """

    def __init__(
        self,
        stub: GdbStub,
        dispatch: int,
        *,
        table: Mapping[int, SystemCall],
        constants: Constants,
        programs: Mapping[str, Unwinder],
    ) -> None:
        self.failure: Exception | None = None
        self._stub = stub
        self._dispatch = dispatch
        self._after: int | None = None
        self._table, self._constants, self._programs = table, constants, programs
        self._by = INIT
        self._program: Unwinder | None = None
        self._under_way: dict[int, _Key] = {}
        self._tallies: dict[_Key, _Tally] = {}

    def run(self) -> None:
        """Let the guest run and record, until its machine ends; what goes wrong is left in ``failure``.

        A failure leaves the guest stopped: its machine has to be ended then.
        """
        try:
            self._stub.set_breakpoint(self._dispatch)
            while True:
                self._stub.resume()
                while self._stub.wait(_WAIT_S) is None:
                    pass
                self._note(self._stub.registers())
        except MachineGoneError:
            pass
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits for this one
            self.failure = error
        finally:
            self._stub.close()

    @property
    def entered(self) -> int:
        """How many system calls were recorded."""
        return sum(tally.count for tally in self._tallies.values())

    def uses(self) -> tuple[CallUse, ...]:
        """What was recorded: init's calls first, then by number and arguments."""
        found = (
            CallUse(
                by=key.by,
                number=key.number,
                name=key.name,
                detail=key.detail,
                place=key.place,
                chain=key.chain,
                count=tally.count,
                failures=dict(sorted(tally.failures.items())),
                pending=tally.count - tally.returned,
            )
            for key, tally in self._tallies.items()
        )
        return tuple(sorted(found, key=lambda use: (use.by != INIT, use.number, use.detail, use.chain)))

    def _note(self, registers: Registers) -> None:
        if registers.rip == self._dispatch:
            self._enter(registers)
        elif registers.rip == self._after:
            self._leave(registers.rsp)

    def _enter(self, registers: Registers) -> None:
        if self._after is None:
            # The one caller is entry_SYSCALL_64, with the saved registers on top of its stack.
            (self._after,) = struct.unpack("<Q", self._stub.read(registers.rsp, 8))
            self._stub.set_breakpoint(self._after)
        saved = _PT_REGS.unpack(self._stub.read(registers.rdi, _PT_REGS.size))
        number = registers.rsi & 0xFFFFFFFF
        call = self._table.get(number, SystemCall(number, f"(number {number})", ""))
        arguments = Arguments(tuple(saved[index] for index in _ARGUMENTS), self._constants, self._string)
        chain = self._chain(saved[_IP], saved[_SP])
        place = self._program.place(chain) if self._program is not None else ""
        key = _Key(self._by, number, call.name, detail(call.name, arguments), place, chain)
        self._tallies.setdefault(key, _Tally()).count += 1
        self._under_way[registers.rdi] = key

    def _leave(self, saved_at: int) -> None:
        key = self._under_way.pop(saved_at, None)
        if key is None:
            return
        (result,) = _WORD.unpack(self._stub.read(saved_at + _AX * 8, 8))
        tally = self._tallies[key]
        tally.returned += 1
        if error := error_name(result, self._constants):
            tally.failures[error] += 1
        elif key.name == "execve":
            # Init becomes the application; whoever calls execve afterwards is the application.
            self._by, self._program = APPLICATION, self._programs.get(key.detail)

    def _string(self, address: int) -> bytes:
        try:
            return self._stub.read_string(address)
        except UnreadableMemoryError:
            return b""

    def _chain(self, address: int, stack: int) -> tuple[str, ...]:
        if self._program is None:
            return ()
        data = b""
        while len(data) < _STACK_BYTES:
            place = stack + len(data)
            try:
                data += self._stub.read(place, min(_STACK_BYTES - len(data), _PAGE - place % _PAGE))
            except UnreadableMemoryError:
                break  # the top of the stack
        return self._program.callers(address, data)
