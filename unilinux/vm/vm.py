# SPDX-License-Identifier: GPL-2.0-only
"""A machine that runs: the one way to start, watch, talk to and end it."""

from __future__ import annotations

import math
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from unilinux.core.errors import BootError, UsageError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.machine.qemu import CONSOLE
from unilinux.vm.console import Console, Line
from unilinux.vm.diagnosis import hint_for
from unilinux.vm.ending import Ending
from unilinux.vm.engine import Boot, Engine, Guest
from unilinux.vm.evidence import in_use, write_boot_file
from unilinux.vm.footprint import require_memory
from unilinux.vm.log import CappedLog
from unilinux.vm.outcome import End, Lost, Outcome, Ready, Stopped, Timeout
from unilinux.vm.report import Report, ReportPort, Started
from unilinux.vm.shares import require_folders
from unilinux.vm.volumes import hint_about_volume, with_volumes

if TYPE_CHECKING:  # it brings asyncio
    from unilinux.vm.qmp import Qmp

CONSOLE_FILE = "console.log"
QMP_FILE = "qmp.log"

_TAIL_LINES = 20
_LAUNCH_TIMEOUT_S = 60.0  # QEMU takes 0.03 s on an idle host
_END_GRACE_S = 10.0  # from the end of the guest to that of the engine

# An unfinished line is one that a program leaves so, a prompt, when the guest does nothing more: it waits
# at two looks at it, with nothing written between. A guest that is never idle has written its line by then.
_QUIET_S = 0.1
_QUIET_LOOKS = 2
_BUSY_LOOKS = 20


class _Part(Protocol):
    def close(self) -> None: ...


class Vm:
    """A started machine. Use it as a context manager: nothing of it is left behind.

    >>> with Vm.start(boot, engine) as vm:
    ...     vm.expect("listening", timeout_s=30)
    ...     vm.power_down("SIGTERM", grace_s=10)

    One thread drives it. Times are seconds; those in logs count from the start. Where
    ``timeout_s`` may be None, there is no limit.

    How the machine fares is what its kernel reports (:mod:`unilinux.vm.report`) and what the
    engine says. The console ends no machine, whatever is written there.
    """

    def __init__(
        self, boot: Boot, engine: Engine, guest: Guest, kernel_end: int, on_output: Callable[[bytes], None] | None
    ) -> None:
        from unilinux.vm.qmp import Qmp

        began = self._began = time.monotonic()
        self.boot = boot
        self.guest = guest
        self._engine = engine
        self._changed = threading.Condition()
        made: list[_Part] = [guest.console, guest.report, guest.qmp]
        try:
            logs = [CappedLog(boot.evidence / CONSOLE_FILE)]
            made += logs
            logs.append(CappedLog(boot.evidence / QMP_FILE))
            made += logs[1:]
            self._qmp: Qmp = Qmp(guest.qmp, logs[1], began=began, changed=None if boot.debugger else self._changed)
            made.append(self._qmp)
            self._report = ReportPort(guest.report, self._changed, began=began)
            made.append(self._report)
            self.console = Console(guest.console, logs[0], self._changed, began=began, on_output=on_output)
        except BaseException:
            guest.kill()
            for part in reversed(made):
                part.close()
            raise
        self._ending = Ending(boot, guest, kernel_end, console=self.console, report=self._report, qmp=self._qmp)
        self._is_killed = False
        self._releases = ExitStack()
        self._closing = threading.Lock()

    @classmethod
    def start(
        cls, boot: Boot, engine: Engine, *, on_output: Callable[[bytes], None] | None = None, held: bool = False
    ) -> Self:
        """Launch the machine and let the guest run; if ``held``, a debugger does that (:mod:`unilinux.vm.gdbstub`).

        ``on_output`` gets the console's bytes as they come, in another thread.

        :raise HostError: the host lacks something: QEMU, a free port; or another machine has a volume.
        :raise UsageError: the engine can't do what ``boot`` asks for, or a volume's file or share's folder is none.
        :raise VmError: the engine didn't start; ``details`` is what it said.
        :raise BootError: the kernel doesn't even fit into the machine's memory.
        """
        engine.abilities.require(boot)
        kernel_end = require_memory(boot)
        with explained_disk_errors(boot.evidence):
            boot.evidence.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                stack.enter_context(in_use(boot.evidence))
                require_folders(boot.machine.spec.shares)
                boot = stack.enter_context(with_volumes(boot))
                vm = cls(boot, engine, engine.launch(boot), kernel_end, on_output)
                vm._releases = stack.pop_all()
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
        """The file that gets the lines of the console."""
        return self.boot.evidence / CONSOLE_FILE

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def end(self) -> End | None:
        """How the machine ended, as far as that was noticed."""
        return self._ending.end

    @property
    def report(self) -> Report:
        """What the kernel has reported so far."""
        return self._report.report

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection to a forwarded port of the guest.

        That it could be made says nothing of the guest: see :meth:`has_accepted`.

        :raise UsageError: that port isn't forwarded.
        :raise OSError: nobody took the connection in time.
        """
        return self.guest.connect(port, timeout_s)

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        """For each forwarded port of the guest the address and the port at which the host reaches it."""
        return self.guest.forwarded()

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

        A line matches when it is whole: one whose end hasn't come counts when the guest waits
        and nothing more is written, as a prompt is left.

        :raise UsageError: ``pattern`` is no regular expression.
        """
        try:
            wanted = re.compile(pattern).search
        except re.error as error:
            raise UsageError(f"{pattern!r} is not a regular expression: {error}") from error
        deadline = time.monotonic() + timeout_s
        while (
            line := self.console.find(wanted, deadline=deadline, start=start, until=self._ending.is_near)
        ) is not None:
            if line.ended or self._is_left_unfinished(line, deadline):
                return Ready(line.text, line.seconds)
            if time.monotonic() >= deadline:
                break
        return self._ending.ended(deadline) or self._ending.overdue(timeout_s, f"the line {pattern!r}")

    def expect(self, pattern: str, *, timeout_s: float, start: int = 0) -> Ready:
        """As :meth:`watch`, for those who can do nothing about another outcome.

        :raise BootError: the line didn't come; it says why and ends with the console's tail.
        """
        outcome = self.watch(pattern, timeout_s=timeout_s, start=start)
        if isinstance(outcome, Ready):
            return outcome
        raise self.failure(outcome)

    def wait_started(self, *, timeout_s: float) -> Started | Timeout | End:
        """Wait until the kernel reports that init has become the application: in which ring, and how it makes calls."""
        deadline = time.monotonic() + timeout_s

        def is_told() -> bool:
            return self.report.started is not None or self._ending.is_near()

        self.console.wait_closed(deadline, until=is_told)
        self._report.catch_up()  # a machine that has ended has said all, but perhaps it isn't read yet
        if self.report.started is not None:
            return self.report.started
        return self._ending.ended(deadline) or self._ending.overdue(timeout_s, "the start of the application")

    def wait(self, *, timeout_s: float | None, awaited: str = "the end of the machine") -> Timeout | End:
        """Wait until the machine ends by itself."""
        limit_s = math.inf if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        self.console.wait_closed(deadline, until=self._ending.is_near)
        return self._ending.ended(deadline) or self._ending.overdue(limit_s, awaited)

    def send(self, data: bytes) -> None:
        """Type on the console."""
        self.console.send(data)

    def send_break(self) -> None:
        """Send a break on the console; a machine that is gone takes no notice."""
        try:
            self.execute("chardev-send-break", {"id": CONSOLE})
        except VmError:
            if self.guest.wait(_END_GRACE_S) is None:
                raise

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Execute a QMP command and return its result.

        :raise VmError: QEMU refused it or is gone.
        """
        return self._qmp.execute(command, arguments)

    def power_down(self, stop: str, *, grace_s: float) -> Timeout | End:
        """Ask the application to end, once it has started, and wait for that.

        The kernel takes a break on the console for that wish, and knows the signal that it sends; ``stop``
        is its name. A machine that is still there after ``grace_s`` is killed, and the outcome is :class:`Timeout`.
        """
        deadline = time.monotonic() + grace_s
        outcome: Started | Timeout | End = self.wait_started(timeout_s=grace_s)
        if isinstance(outcome, Started):
            self.send_break()
            outcome = self.wait(timeout_s=max(0.0, deadline - time.monotonic()))
            if isinstance(outcome, Timeout):
                outcome = Timeout(grace_s, self._missing_end(stop))
        self.kill()
        return outcome

    def kill(self) -> None:
        """End the machine at once; one that has ended is fine."""
        self._is_killed = self._is_killed or (self.end is None and not self.console.closed)
        self.guest.kill()
        self._ending.conclude()

    def failure(self, outcome: Outcome) -> BootError:
        """An error that tells of an unwelcome outcome, with the end of the console."""
        hint = f"the whole console is in {self.console_log}"
        if (advice := hint_for(outcome, self._texts()) or hint_about_volume(self.boot, outcome)) is not None:
            hint = f"{advice}; {hint}"
        if self.console.log_failure is not None:
            hint = f"{hint}, as far as it could be written: {self.console.log_failure.strerror}"
        lines = self.console.tail(_TAIL_LINES)
        if isinstance(outcome, Lost | Stopped):
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
                self._report.close()
                self._write_boot_file()
                self._releases.close()

    def _connect(self) -> None:
        try:
            self._qmp.connect(_LAUNCH_TIMEOUT_S)
            self.guest.attach(self._qmp)
        except VmError as error:
            raise self.guest.launch_failure() or error from error
        self._write_boot_file()

    def _let_run(self) -> None:
        try:
            self._qmp.execute("cont")
        except VmError:
            # A guest that ends at once takes QEMU with it before QEMU can answer.
            if self.guest.wait(_END_GRACE_S) is None:
                raise

    def _missing_end(self, stop: str) -> str:
        """What didn't come after a break."""
        if self.report.stop is None:
            return "the kernel's report that it has sent the stop signal (it needs UNILINUX_STOP)"
        return f"the end of the application after {stop}"

    def _is_left_unfinished(self, line: Line, deadline: float) -> bool:
        idle = 0
        for _ in range(_BUSY_LOOKS):
            left = deadline - time.monotonic()
            if left < 0 or not self.console.is_still(line, min(_QUIET_S, left)):
                return False
            try:
                idle = idle + 1 if self.is_idle() else 0
            except VmError:  # it has just ended, and its lines with it
                return False
            if idle == _QUIET_LOOKS:
                break
        return self.console.is_still(line, 0.0)

    def _texts(self) -> tuple[str, ...]:
        return tuple(line.text for line in self.console.lines())

    def _write_boot_file(self) -> None:
        write_boot_file(
            self.boot,
            self._engine,
            version=self._qmp.version,
            seconds=self.elapsed_s,
            report=self.report,
            outcome=self.end,
            killed=self._is_killed,
        )
