# SPDX-License-Identifier: GPL-2.0-only
"""QEMU as a process of this host."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from unilinux.core.command import kill_group, require_tool
from unilinux.core.errors import HostError, UniLinuxError, UsageError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.machine.qemu import HOST_ADDRESS
from unilinux.vm.engine import Boot, Monitor
from unilinux.vm.qemu.monitor import is_halted, user_network
from unilinux.vm.qemu.pipes import Pipes
from unilinux.vm.qemu.ports import port_taken
from unilinux.vm.volumes import volume_in_use

COMMAND_FILE = "command.txt"
OUTPUT_FILE = "qemu.log"

_COMPLAINT_LINES = 10
_LAUNCH_GRACE_S = 5.0  # from QEMU's hanging up to its end
# With this the registers begin that QEMU prints when it stops a machine: dozens of lines, for qemu.log.
_REGISTERS = re.compile(r"^[ER]AX=")
_LOCKED_IMAGE = re.compile(r"Is another process using the image \[(.*)\]\?")
_TAKEN_PORT = re.compile(r"Could not set up host forwarding rule 'tcp:[\d.]*:(\d+)-")


def complaints_in(text: str) -> tuple[str, ...]:
    """The last lines of what QEMU wrote, up to a dump of the processor's registers; blank lines left out."""
    lines = (line for line in text.splitlines() if line.strip())
    return tuple(takewhile(lambda line: not _REGISTERS.match(line), lines))[-_COMPLAINT_LINES:]


class QemuProcess:
    """A running QEMU, in a session of its own; see :class:`unilinux.vm.engine.Guest`."""

    def __init__(
        self,
        argv: Sequence[str],
        qmp: socket.socket,
        report: socket.socket,
        console: Pipes,
        inherited: Sequence[int],
        boot: Boot,
    ) -> None:
        self.qmp, self.report, self.console = qmp, report, console
        self.argv = tuple(argv)
        self._inherited = tuple(inherited)
        self._setpriv = str(require_tool("setpriv"))
        self._output = boot.evidence / OUTPUT_FILE
        self._command = boot.evidence / COMMAND_FILE
        self._is_forwarded = bool(boot.machine.spec.forwards)
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._monitor: Monitor | None = None
        self._forwards: dict[int, int] = {}
        self._started = threading.Event()
        self._ended = threading.Event()
        with explained_disk_errors(boot.evidence):
            self._output.touch()
        # The kernel kills a child with pdeathsig when the *thread* that made it ends,
        # so the thread that starts QEMU stays until QEMU has ended.
        threading.Thread(target=self._keep, name="qemu", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise HostError(f"cannot start {argv[0]}: {self._failure}") from self._failure

    @property
    def pid(self) -> int:
        """QEMU's process number, for measuring."""
        assert self._process is not None
        return self._process.pid

    def attach(self, monitor: Monitor) -> None:
        """Learn where the forwarded ports lead."""
        self._monitor = monitor
        self._forwards = user_network(monitor).forwards if self._is_forwarded else {}

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """Connect to a forwarded port of the guest."""
        if port not in self._forwards:
            raise UsageError(f"port {port} of the guest is not forwarded", hint=f"--forward 0:{port}")
        return socket.create_connection((HOST_ADDRESS, self._forwards[port]), timeout=timeout_s)

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        """Where the forwarded ports of the guest are reached."""
        return {guest: (HOST_ADDRESS, host) for guest, host in self._forwards.items()}

    def has_accepted(self, port: int) -> bool:
        """Whether the guest itself has accepted a connection: QEMU accepts before the guest does."""
        assert self._monitor is not None
        return port in user_network(self._monitor).accepted

    def is_idle(self) -> bool:
        """Whether the first CPU waits for an interrupt."""
        assert self._monitor is not None
        return is_halted(self._monitor)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, or None when it still runs ``timeout_s`` from now."""
        assert self._process is not None
        return self._process.returncode if self._ended.wait(timeout_s) else None

    def kill(self) -> None:
        """End it at once."""
        assert self._process is not None
        if not self._ended.is_set():
            kill_group(self._process)
            self._ended.wait()

    def complaints(self) -> tuple[str, ...]:
        """The last lines of its standard error, up to a dump of the processor's registers."""
        return complaints_in(self._output.read_text(errors="replace"))

    def launch_failure(self) -> UniLinuxError | None:
        """Why it ended before its guest ran; None when it is running."""
        returncode = self.wait(_LAUNCH_GRACE_S)
        if returncode is None:
            return None
        output = self.complaints()
        locked = next((match for line in output if (match := _LOCKED_IMAGE.search(line))), None)
        if locked is not None:
            return volume_in_use(Path(locked[1]))
        taken = next((match for line in output if (match := _TAKEN_PORT.search(line))), None)
        if taken is not None:
            return port_taken(int(taken[1]))
        return VmError(
            f"QEMU ended with exit code {returncode} before the guest ran",
            hint=f"its command line is in {self._command}",
            details=output,
        )

    def _keep(self) -> None:
        try:
            with self._output.open("wb") as output:
                self._process = subprocess.Popen(
                    [self._setpriv, "--pdeathsig", "KILL", "--", *self.argv],
                    stdin=self.console.far_input,
                    stdout=self.console.far_output,
                    stderr=output,
                    pass_fds=self._inherited,
                    start_new_session=True,
                )
        except OSError as error:
            self._failure = error
            return
        finally:
            self._started.set()
        self._process.wait()
        self._ended.set()
