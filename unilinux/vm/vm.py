"""A machine that runs: the one way to start, watch, talk to and end it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from unilinux.core.errors import BootError, UsageError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.vm.console import Console
from unilinux.vm.diagnosis import PANIC, judge, lack_of_memory, panic_text
from unilinux.vm.engine import Boot, Engine, Guest
from unilinux.vm.footprint import loaded_end
from unilinux.vm.outcome import End, Lost, Outcome, OutOfMemory, Panic, Ready, Timeout
from unilinux.vm.qmp import Qmp

CONSOLE_FILE = "console.log"
QMP_FILE = "qmp.log"

# What the terminal turns into the signal that asks an application to end.
STOP_KEYS: Mapping[str, bytes] = MappingProxyType({"SIGINT": b"\x03", "SIGQUIT": b"\x1c"})

_TAIL_LINES = 20
_MIB = 1 << 20
_LEAST_ROOM = 4 * _MIB  # behind the kernel: with 1 MiB, 6.12 doesn't get to its first message
_LAUNCH_TIMEOUT_S = 60.0  # QEMU takes 0.03 s on an idle host
_PANIC_GRACE_S = 10.0  # a panic restarts the machine at once, which ends QEMU
_END_GRACE_S = 10.0  # from the end of the console to the end of QEMU

_LOST_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "guest-reset": "the guest restarted without saying why (a crash before there was a console, perhaps)",
        "guest-shutdown": "the guest powered off without an exit status (is the kernel built with UNILINUX_EXIT?)",
        "host-signal": "QEMU was ended by a signal",
        "host-qmp-quit": "QEMU was told to quit",
    }
)


class Vm:
    """A started machine. Use it as a context manager: nothing of it is left behind.

    >>> with Vm.start(boot, engine) as vm:
    ...     vm.expect("listening", timeout_s=30)
    ...     vm.power_down("SIGINT", grace_s=10)

    One thread drives it. Times are seconds; those in logs count from the start.
    """

    def __init__(self, boot: Boot, guest: Guest, kernel_end: int, on_output: Callable[[bytes], None] | None) -> None:
        began = self._began = time.monotonic()
        self._kernel_end = kernel_end
        self.boot = boot
        self.guest = guest
        self.console = Console(guest.console, self.console_log, began=began, on_output=on_output)
        self._qmp = Qmp(guest.qmp, boot.evidence / QMP_FILE, began=began)
        self._end: End | None = None
        self._closing = threading.Lock()

    @classmethod
    def start(
        cls, boot: Boot, engine: Engine, *, on_output: Callable[[bytes], None] | None = None, held: bool = False
    ) -> Self:
        """Launch the machine and let the guest run; if ``held``, a debugger does that (:mod:`unilinux.vm.gdbstub`).

        ``on_output`` gets the console's bytes as they come, in another thread.

        :raise HostError: the host lacks something: QEMU, a free port.
        :raise UsageError: the engine can't do what ``boot`` asks for.
        :raise VmError: the engine didn't start; ``details`` is what it said.
        :raise BootError: the kernel doesn't even fit into the machine's memory.
        """
        engine.abilities.require(boot)
        kernel_end = _require_memory(boot)
        with explained_disk_errors(boot.evidence):
            boot.evidence.mkdir(parents=True, exist_ok=True)
            guest = engine.launch(boot)
            try:
                vm = cls(boot, guest, kernel_end, on_output)
            except BaseException:
                guest.kill()
                guest.qmp.close()
                guest.report.close()
                raise
        try:
            vm._connect()
            if not held:
                vm._let_run()
        except BaseException:
            vm.close()
            raise
        return vm

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def console_log(self) -> Path:
        """The file that gets every line of the console."""
        return self.boot.evidence / CONSOLE_FILE

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def end(self) -> End | None:
        """How the machine ended, as far as that was noticed."""
        return self._end

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection to a forwarded port of the guest.

        That it could be made says nothing of the guest: see :meth:`has_accepted`.

        :raise UsageError: that port isn't forwarded.
        :raise OSError: nobody took the connection in time.
        """
        return self.guest.connect(port, timeout_s)

    def has_accepted(self, port: int) -> bool:
        """Whether the guest has accepted a connection, still open, to one of its forwarded ports.

        :raise VmError: the machine is gone.
        """
        return self.guest.has_accepted(port)

    def is_idle(self) -> bool:
        """Whether the guest's first CPU waits for an interrupt at this moment.

        :raise VmError: the machine is gone.
        """
        return self.guest.is_idle()

    def save_memory(self, address: int, size: int, file: Path) -> None:
        """Write ``size`` bytes of the guest's physical memory to a file.

        :raise VmError: QEMU refused it or is gone.
        """
        self.execute("pmemsave", {"val": address, "size": size, "filename": str(file)})

    def quit(self) -> None:
        """Tell the engine to end, which lets a plugin write what it has counted; :meth:`wait` for that.

        :raise VmError: the machine is gone.
        """
        self.execute("quit")

    def watch(self, pattern: str, *, timeout_s: float, start: int = 0) -> Outcome:
        """Wait until a line of the console, from line ``start`` on, matches a regular expression.

        :raise UsageError: ``pattern`` is no regular expression.
        """
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{pattern!r} is not a regular expression: {error}") from error
        deadline = time.monotonic() + timeout_s
        line = self.console.find(lambda text: wanted.search(text) or PANIC.search(text), deadline=deadline, start=start)
        if line is not None and wanted.search(line.text):
            return Ready(line.text, line.seconds)
        return self._ended(deadline) or self._overdue(timeout_s, f"the line {pattern!r}")

    def expect(self, pattern: str, *, timeout_s: float, start: int = 0) -> Ready:
        """As :meth:`watch`, for those who can do nothing about another outcome.

        :raise BootError: the line didn't come; it says why and ends with the console's tail.
        """
        outcome = self.watch(pattern, timeout_s=timeout_s, start=start)
        if isinstance(outcome, Ready):
            return outcome
        raise self.failure(outcome)

    def wait(self, *, timeout_s: float, awaited: str = "the end of the machine") -> Timeout | End:
        """Wait until the machine ends by itself."""
        deadline = time.monotonic() + timeout_s
        self.console.find(PANIC.search, deadline=deadline)
        return self._ended(deadline) or self._overdue(timeout_s, awaited)

    def send(self, data: bytes) -> None:
        """Type on the console."""
        self.console.send(data)

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Execute a QMP command and return its result.

        :raise VmError: QEMU refused it or is gone.
        """
        return self._qmp.execute(command, arguments)

    def power_down(self, stop: str, *, grace_s: float) -> Timeout | End:
        """Ask the application to end as a user at the terminal would, and wait for that.

        ``stop`` is SIGINT or SIGQUIT. A machine that is still there after
        ``grace_s`` is killed, and the outcome is :class:`Timeout`.
        """
        self.send(STOP_KEYS[stop])
        outcome = self.wait(timeout_s=grace_s, awaited=f"the end of the application after {stop}")
        self.kill()
        return outcome

    def kill(self) -> None:
        """End the machine at once; one that has ended is fine."""
        self.guest.kill()
        self._conclude()

    def failure(self, outcome: Outcome) -> BootError:
        """An error that tells of an unwelcome outcome, with the end of the console."""
        hint = f"the whole console is in {self.console_log}"
        shortage = lack_of_memory(self._texts())
        if isinstance(outcome, OutOfMemory):
            hint = f"give it more: --memory {2 * outcome.memory_mib}; {hint}"
        elif shortage is not None:
            hint = f"too little memory, perhaps: the console says {shortage!r}; {hint}"
        lines = self.console.tail(_TAIL_LINES)
        if self.console.log_failure is not None:
            hint = f"{hint}, as far as it could be written: {self.console.log_failure.strerror}"
        if isinstance(outcome, Lost):
            lines += self.guest.complaints()
        return BootError(outcome.explain(), hint=hint, details=lines or ("(the console is empty)",))

    def close(self) -> None:
        """End the machine if need be, and let go of all processes, sockets, threads and files."""
        with self._closing:
            try:
                self.kill()
            finally:
                self._qmp.close()
                self.console.close()
                self.guest.report.close()

    def _connect(self) -> None:
        try:
            self._qmp.connect(_LAUNCH_TIMEOUT_S)
            self.guest.attach(self._qmp)
        except VmError as error:
            raise self.guest.launch_failure() or error from error

    def _let_run(self) -> None:
        try:
            self._qmp.execute("cont")
        except VmError:
            # A guest that ends at once takes QEMU with it before QEMU can answer.
            if self.guest.wait(_END_GRACE_S) is None:
                raise

    def _ended(self, deadline: float) -> End | None:
        """The end of the machine, if there is one or a panic announces it."""
        if self._end is None and not self.console.wait_closed(time.monotonic()):
            soon = min(deadline, time.monotonic() + _PANIC_GRACE_S)
            panicked = self.console.find(PANIC.search, deadline=0.0) is not None
            if not (panicked and self.console.wait_closed(soon)):
                return None
        return self._conclude()

    def _overdue(self, timeout_s: float, awaited: str) -> Timeout | Panic | OutOfMemory:
        text = panic_text(self._texts())
        if text is not None:
            return Panic(text)
        return self._shortage() or Timeout(timeout_s, awaited)

    def _shortage(self) -> OutOfMemory | None:
        """Whether the kernel seems to have ended for want of memory, before it had a console to say so."""
        memory_mib = self.boot.machine.spec.memory_mib
        if self.console.lines() or memory_mib * _MIB >= self._kernel_end + _LEAST_ROOM:
            return None
        reach = self._kernel_end / _MIB
        return OutOfMemory(memory_mib, f"the kernel, which reaches up to {reach:.1f} MiB, did not say a word")

    def _conclude(self) -> End:
        """How the machine ended; to be called when it has, or is about to."""
        if self._end is None:
            returncode = self.guest.wait(_END_GRACE_S)
            deadline = time.monotonic() + _END_GRACE_S
            self.console.wait_closed(deadline)
            self._qmp.wait_closed(_END_GRACE_S)
            report = _remaining(self.guest.report)
            end = judge(report, self._texts(), self.boot.machine.spec.memory_mib)
            restarted = (self._qmp.event("SHUTDOWN") or {}).get("reason") == "guest-reset"
            self._end = (
                end or (self._shortage() if restarted else None) or Lost(returncode, self._lost_reason(returncode))
            )
        return self._end

    def _lost_reason(self, returncode: int | None) -> str:
        if returncode is None:
            return "its console ended, but QEMU did not"
        if returncode < 0:
            return f"QEMU was killed by signal {-returncode}"
        shutdown = self._qmp.event("SHUTDOWN")
        if shutdown is not None and shutdown.get("reason") in _LOST_REASONS:
            return _LOST_REASONS[shutdown["reason"]]
        return f"QEMU ended with exit code {returncode}"

    def _texts(self) -> tuple[str, ...]:
        return tuple(line.text for line in self.console.lines())


def _require_memory(boot: Boot) -> int:
    """Where the kernel ends in memory (bytes)."""
    memory_mib = boot.machine.spec.memory_mib
    end = loaded_end(boot.kernel)
    if end > memory_mib * _MIB:
        raise BootError(
            OutOfMemory(memory_mib, f"the kernel alone reaches up to {end / _MIB:.1f} MiB").explain(),
            hint=f"give it more: --memory {2 * -(-end // _MIB)}",
        )
    return end


def _remaining(stream: socket.socket) -> str:
    """What is left to read of a stream whose other side has ended."""
    stream.settimeout(_END_GRACE_S)
    data = b""
    try:
        while piece := stream.recv(4096):
            data += piece
    except OSError:
        pass
    return data.decode(errors="replace")
