"""QEMU as a process of this host."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.core.command import kill_group, require_tool
from unilinux.core.errors import HostError, UniLinuxError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.machine.qemu import Wiring, qemu_arguments
from unilinux.vm.accel import Accelerator
from unilinux.vm.runner import Boot

PROGRAM = X86_64.emulator

COMMAND_FILE = "command.txt"
OUTPUT_FILE = "qemu.log"

_CONSOLE = "stdio,signal=off"
_BY_HAND = Wiring(qmp="null", console=_CONSOLE, report="null")

_COMPLAINT_LINES = 10
_CONSOLE_BYTES = 1 << 20
_LAUNCH_GRACE_S = 5.0  # from QEMU's hanging up to its end
_TAKEN_PORT = re.compile(r"Could not set up host forwarding rule 'tcp:[\d.]*:(\d+)-")


class NativeRunner:
    """Launches QEMU with an accelerator."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator

    def launch(self, boot: Boot) -> QemuProcess:
        """Start QEMU, its guest paused; see :class:`unilinux.vm.runner.Runner`.

        :raise HostError: QEMU isn't installed, or a forwarded port is taken.
        """
        program = str(require_tool(PROGRAM))
        for forward in boot.machine.spec.forwards:
            require_free_port(forward.host)
        ours_qmp, theirs_qmp = socket.socketpair()
        ours_report, theirs_report = socket.socketpair()
        console = Pipes()
        with theirs_qmp, theirs_report:
            inherited = (theirs_qmp.fileno(), theirs_report.fileno())
            qmp, report = (f"socket,fd={number}" for number in inherited)
            argv = (*self._argv(program, boot, Wiring(qmp=qmp, console=_CONSOLE, report=report)), "-S")
            try:
                self._keep_command(boot, argv, self._argv(program, boot, _BY_HAND))
                return QemuProcess(argv, ours_qmp, ours_report, console, inherited, boot.evidence)
            except BaseException:
                ours_qmp.close()
                ours_report.close()
                console.close()
                raise
            finally:
                console.close_far_ends()

    def _argv(self, program: str, boot: Boot, wiring: Wiring) -> tuple[str, ...]:
        cpus = boot.machine.spec.cpus
        arguments = qemu_arguments(
            boot.machine,
            kernel=boot.kernel,
            wiring=wiring,
            cmdline=(*self._accelerator.cmdline(cpus), *boot.cmdline),
            initrd=boot.initrd,
        )
        return (program, *self._accelerator.qemu(cpus), *arguments)

    def _keep_command(self, boot: Boot, argv: Sequence[str], by_hand: Sequence[str]) -> None:
        text = (
            f"# As it was run:\n{shlex.join(argv)}\n\n# By hand, the console on the terminal:\n{shlex.join(by_hand)}\n"
        )
        with explained_disk_errors(boot.evidence):
            (boot.evidence / COMMAND_FILE).write_text(text)


class Pipes:
    """The console of QEMU, which is its standard input and output.

    Pipes rather than a socket: QEMU writes byte by byte, and a socket keeps room for
    just some 200 writes. A guest that writes faster than we get to read then loses
    characters, since Linux waits no longer than 10 ms for a serial port.
    """

    def __init__(self) -> None:
        self._output, self.far_output = os.pipe()
        self.far_input, self._input = os.pipe()
        os.set_blocking(self._input, False)
        try:
            fcntl.fcntl(self.far_output, fcntl.F_SETPIPE_SZ, _CONSOLE_BYTES)
        except OSError:
            pass  # this user has many pipes: 64 KiB will do

    def receive(self) -> bytes:
        """Wait for output; nothing when QEMU has ended."""
        return os.read(self._output, 1 << 16)

    def send(self, data: bytes) -> None:
        """Type something."""
        try:
            os.write(self._input, data)
        except (BrokenPipeError, BlockingIOError):
            pass

    def close_far_ends(self) -> None:
        """Leave QEMU's ends to QEMU alone."""
        os.close(self.far_output)
        os.close(self.far_input)

    def close(self) -> None:
        """Let go of our ends."""
        os.close(self._output)
        os.close(self._input)


class QemuProcess:
    """A running QEMU, in a session of its own; see :class:`unilinux.vm.runner.Emulator`."""

    def __init__(
        self,
        argv: Sequence[str],
        qmp: socket.socket,
        report: socket.socket,
        console: Pipes,
        inherited: Sequence[int],
        evidence: Path,
    ) -> None:
        self.qmp, self.report, self.console = qmp, report, console
        self.argv = tuple(argv)
        self._inherited = tuple(inherited)
        self._setpriv = str(require_tool("setpriv"))
        self._output = evidence / OUTPUT_FILE
        self._command = evidence / COMMAND_FILE
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        with explained_disk_errors(evidence):
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
        """The last lines of its standard error."""
        text = self._output.read_text(errors="replace")
        return tuple(line for line in text.splitlines() if line.strip())[-_COMPLAINT_LINES:]

    def launch_failure(self) -> UniLinuxError | None:
        """Why it ended before its guest ran; None when it is running."""
        returncode = self.wait(_LAUNCH_GRACE_S)
        if returncode is None:
            return None
        output = self.complaints()
        taken = next((match for line in output if (match := _TAKEN_PORT.search(line))), None)
        if taken is not None:
            return _port_taken(int(taken[1]))
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


def require_free_port(port: int) -> None:
    """Check that a TCP port of 127.0.0.1 can be listened on; 0 always can.

    :raise HostError: somebody else has it, or it takes more privilege.
    """
    with socket.socket() as probe:
        # As QEMU does: a port whose last connection has just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except PermissionError as error:
            raise HostError(
                f"port {port} of this host takes root to listen on",
                hint="forward a port from 1024 on, for example --forward 8080:80",
            ) from error
        except OSError as error:
            raise _port_taken(port) from error


def _port_taken(port: int) -> HostError:
    return HostError(
        f"port {port} of this host is in use",
        hint=f"choose another one with --forward, or see who has it: ss -ltnp 'sport = :{port}'",
    )
