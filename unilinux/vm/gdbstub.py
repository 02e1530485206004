# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's gdb stub: breakpoints in a running guest, and a look at its registers and memory.

The guest knows nothing of it: QEMU keeps the breakpoints, no byte of memory changes,
and the guest's clocks stand still while it is stopped. The stub connects to us, so
that nothing has to wait for its socket to appear:

>>> with StubListener() as listener:
...     held = replace(boot, debugger=listener.path)
...     with Vm.start(held, engine, held=True) as vm, listener.accept() as stub:
...         stub.set_breakpoint(address)
...         stub.resume()
...         stop = stub.wait(timeout_s=30)

https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from unilinux.core.errors import VmError

_ACCEPT_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 30.0  # QEMU answers in a tenth of a millisecond on an idle host
_INTERRUPT = b"\x03"
# gdbstub.c: MAX_PACKET_LENGTH is 4096, and memory travels as two digits per byte.
_MOST_BYTES = 2000
# What QEMU 7.2 and later send for `g` first: 17 registers of 8 bytes, then eflags and six selectors of 4.
_GENERAL = struct.Struct("<17Q7I")
_NAMES = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"),
    *("eflags", "cs", "ss", "ds", "es", "fs", "gs"),
)
_THREAD = re.compile(r"thread:p?(?:[0-9a-f]+\.)?([0-9a-f]+);")


class MachineGoneError(VmError):
    """The machine has ended, and its stub with it."""


class UnreadableMemoryError(VmError):
    """No memory is mapped at a virtual address of the guest, for what it does now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """The general registers of the CPU that stopped."""

    rax: int
    rbx: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    rbp: int
    rsp: int
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    rip: int
    eflags: int
    cs: int
    ss: int
    ds: int
    es: int
    fs: int
    gs: int

    @property
    def ring(self) -> int:
        """The privilege level of the code that was interrupted."""
        return self.cs & 3


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the guest stands still: ``signal`` is 5 for a breakpoint or a step, 2 for an interrupt.

    ``thread`` is the stub's word for the CPU that stopped: 1 is CPU 0.
    """

    signal: int
    thread: int


class StubListener:
    """The socket that QEMU's stub connects to when QEMU starts. A context manager."""

    def __init__(self) -> None:
        # Not in the evidence folder: the path of a Unix socket is no longer than 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="gdb-"))
        self._path = self._folder / "stub"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._path))
        self._socket.listen(1)

    @property
    def path(self) -> Path:
        """The socket, for :attr:`unilinux.vm.engine.Boot.debugger`."""
        return self._path

    def accept(self, timeout_s: float = _ACCEPT_TIMEOUT_S) -> GdbStub:
        """The stub of the machine that was started with :attr:`path`; its guest is stopped.

        :raise VmError: nobody connected in time.
        """
        self._socket.settimeout(timeout_s)
        try:
            stream, _ = self._socket.accept()
        except TimeoutError:
            raise VmError(f"QEMU's gdb stub did not connect within {timeout_s:g} s") from None
        return GdbStub(stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class GdbStub:
    """A conversation with the stub over a connected socket. A context manager; one thread uses it.

    All but :meth:`wait`, :meth:`interrupt` and :meth:`close` take a stopped guest. Every
    method raises :class:`MachineGoneError` when the machine has ended, and VmError when
    the stub says what it shouldn't or nothing for 30 s.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._received = bytearray()
        self._breakpoints: set[int] = set()
        self._stopped: Stop | None = Stop(0, 1)
        self._registers: Registers | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the guest was let run and no stop has been seen since."""
        return self._stopped is None

    def set_breakpoint(self, address: int) -> None:
        """Stop before the instruction at a virtual address is executed, in whatever address space.

        The address need not be mapped yet.

        :raise VmError: the stub refused.
        """
        self._expect_ok(f"Z0,{address:x},1")
        self._breakpoints.add(address)

    def clear_breakpoint(self, address: int) -> None:
        """Take a breakpoint away.

        :raise VmError: there is none at this address.
        """
        self._expect_ok(f"z0,{address:x},1")
        self._breakpoints.discard(address)

    def resume(self) -> None:
        """Let the guest run, past a breakpoint at the instruction where it stands."""
        if self.registers().rip in self._breakpoints:
            self.step()
        self._send("c")
        self._stopped = self._registers = None

    def step(self, timeout_s: float = _ANSWER_TIMEOUT_S) -> Stop:
        """Execute one instruction of the CPU that stopped, interrupts held back.

        :raise VmError: it took longer, as an instruction that waits does.
        """
        thread = self._require_stopped().thread
        self._send(f"vCont;s:{thread:x}")
        self._stopped = self._registers = None
        stop = self.wait(timeout_s)
        if stop is None:
            raise VmError(f"the guest did not execute an instruction within {timeout_s:g} s")
        return stop

    def wait(self, timeout_s: float) -> Stop | None:
        """The next stop, or None when the guest still runs ``timeout_s`` from now."""
        if self._stopped is not None:
            return self._stopped
        packet = self._packet(time.monotonic() + timeout_s)
        if packet is None:
            return None
        if packet[:1] in {"W", "X"}:
            raise MachineGoneError("the machine ended while the debugger waited for it")
        if packet[:1] not in {"T", "S"}:
            raise VmError(f"QEMU's gdb stub said {packet[:80]!r} where the guest's stop was awaited")
        thread = _THREAD.search(packet)
        self._stopped = Stop(int(packet[1:3], 16), int(thread[1], 16) if thread else 1)
        return self._stopped

    def interrupt(self, timeout_s: float = _ANSWER_TIMEOUT_S) -> Stop:
        """Stop a running guest where it is; a breakpoint that it met at that moment is as good.

        :raise VmError: it doesn't stop.
        """
        if self._stopped is None:
            self._write(_INTERRUPT)
        stop = self.wait(timeout_s)
        if stop is None:
            raise VmError(f"the guest did not stop within {timeout_s:g} s of the debugger's interrupt")
        return stop

    def registers(self) -> Registers:
        """Those of the CPU that stopped."""
        if self._registers is None:
            data = self._ask("g")
            try:
                values = _GENERAL.unpack_from(bytes.fromhex(data))
            except (ValueError, struct.error):
                raise VmError(f"QEMU's gdb stub has unknown registers: {data[:80]!r}") from None
            self._registers = Registers(**dict(zip(_NAMES, values, strict=True)))
        return self._registers

    def read(self, address: int, size: int) -> bytes:
        """Memory at a virtual address, as the CPU that stopped sees it.

        :raise UnreadableMemoryError: some of it isn't mapped.
        """
        data = b""
        while len(data) < size:
            length = min(size - len(data), _MOST_BYTES)
            answer = self._ask(f"m{address + len(data):x},{length:x}")
            if re.fullmatch(r"E[0-9a-f]{2}", answer):
                raise UnreadableMemoryError(f"the guest has no memory at {address + len(data):#x}")
            try:
                piece = bytes.fromhex(answer)
            except ValueError:
                raise VmError(f"QEMU's gdb stub sent unreadable memory: {answer[:80]!r}") from None
            if len(piece) != length:
                raise VmError(f"QEMU's gdb stub sent {len(piece)} bytes of memory where {length} were asked for")
            data += piece
        return data

    def read_string(self, address: int, most: int = 256) -> bytes:
        """Bytes up to the first zero, at most ``most`` of them; what is mapped of it.

        :raise UnreadableMemoryError: not even the first byte is mapped.
        """
        data = b""
        while len(data) < most and b"\0" not in data:
            # Not across a page: the next one need not be mapped.
            place = address + len(data)
            length = min(64, most - len(data), 4096 - place % 4096)
            try:
                data += self.read(place, length)
            except UnreadableMemoryError:
                if not data:
                    raise
                break
        return data.partition(b"\0")[0]

    def close(self) -> None:
        """Hang up. A guest that is stopped may stay so (seen with QEMU 7.2): :meth:`resume` it before."""
        self._stream.close()

    def _require_stopped(self) -> Stop:
        if self._stopped is None:
            raise VmError("the guest runs: a debugger can only look at one that is stopped")
        return self._stopped

    def _expect_ok(self, command: str) -> None:
        answer = self._ask(command)
        if answer != "OK":
            raise VmError(f"QEMU's gdb stub refused {command!r}: {answer!r}")

    def _ask(self, command: str) -> str:
        self._require_stopped()
        self._send(command)
        answer = self._packet(time.monotonic() + _ANSWER_TIMEOUT_S)
        if answer is None:
            raise VmError(f"QEMU's gdb stub did not answer {command!r} within {_ANSWER_TIMEOUT_S:g} s")
        return answer

    def _send(self, command: str) -> None:
        self._require_stopped()
        self._write(frame(command.encode("ascii")))

    def _write(self, data: bytes) -> None:
        self._stream.settimeout(_ANSWER_TIMEOUT_S)
        try:
            self._stream.sendall(data)
        except OSError as error:
            raise MachineGoneError(f"QEMU's gdb stub hung up ({error})") from error

    def _packet(self, deadline: float) -> str | None:
        """The next packet, acknowledged; None when it isn't whole by then."""
        while True:
            found = take_packet(self._received)
            if found is not None:
                self._write(b"+" if found.intact else b"-")
                if found.intact:
                    return found.text
            elif not self._receive(deadline):
                return None

    def _receive(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self._stream.settimeout(left)
        try:
            data = self._stream.recv(1 << 16)
        except TimeoutError:
            return False
        except OSError as error:
            raise MachineGoneError(f"QEMU's gdb stub hung up ({error})") from error
        if not data:
            raise MachineGoneError("QEMU's gdb stub hung up: the machine has ended")
        self._received += data
        return True


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that came in; ``intact`` says whether its checksum is right."""

    text: str
    intact: bool


def frame(payload: bytes) -> bytes:
    """A packet with its checksum; what has a meaning of its own in it is escaped."""
    escaped = re.sub(rb"[#$}*]", lambda found: bytes((0x7D, found[0][0] ^ 0x20)), payload)
    return b"$%b#%02x" % (escaped, sum(escaped) % 256)


def take_packet(received: bytearray) -> Packet | None:
    """Take the first whole packet out of what was received; None when there is none yet.

    Acknowledgements before it are dropped: a lost one shows by a missing answer.
    """
    begin = received.find(b"$")
    end = received.find(b"#", begin)
    if begin < 0 or end < 0 or len(received) < end + 3:
        return None
    body, checksum = bytes(received[begin + 1 : end]), bytes(received[end + 1 : end + 3])
    del received[: end + 3]
    return Packet(_plain(body).decode("latin-1"), checksum.lower() == b"%02x" % (sum(body) % 256))


def _plain(body: bytes) -> bytes:
    """Without escapes and run lengths (``*`` and a character: the one before, so many less 29 times again)."""
    plain = bytearray()
    bytes_of = iter(body)
    for byte in bytes_of:
        if byte == 0x7D:
            plain.append(next(bytes_of, 0) ^ 0x20)
        elif byte == 0x2A and plain:
            plain += plain[-1:] * (next(bytes_of, 29) - 29)
        else:
            plain.append(byte)
    return bytes(plain)
