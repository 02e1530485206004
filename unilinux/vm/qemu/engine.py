# SPDX-License-Identifier: GPL-2.0-only
"""The engine that starts QEMU on this host."""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Sequence
from typing import Any

from unilinux.core.command import require_tool
from unilinux.core.files import explained_disk_errors
from unilinux.machine.qemu import Wiring
from unilinux.vm.engine import Abilities, Boot
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.arguments import boot_arguments
from unilinux.vm.qemu.pipes import Pipes
from unilinux.vm.qemu.ports import require_free_port
from unilinux.vm.qemu.process import COMMAND_FILE, QemuProcess
from unilinux.vm.qemu.sandbox import ARGUMENTS as SANDBOX
from unilinux.vm.qemu.version import PROGRAM, version_line

_CONSOLE = "stdio,signal=off"
# Multiplexed, which gives Ctrl-A b to send a break, and Ctrl-A x to quit.
_BY_HAND = Wiring(qmp="null", console=f"{_CONSOLE},mux=on", report="null")


class NativeQemu:
    """Launches QEMU with an accelerator; see :class:`unilinux.vm.engine.Engine`.

    ``sandboxed``: in QEMU's own sandbox, which not every host can have.
    """

    name = "qemu"

    def __init__(self, accelerator: Accelerator, *, sandboxed: bool = False) -> None:
        self.accelerator = accelerator
        self.sandboxed = sandboxed

    @property
    def reason(self) -> str:
        """Why it is this accelerator."""
        return self.accelerator.reason

    @property
    def abilities(self) -> Abilities:
        """What it can do: KVM neither counts instructions nor shows them to a plugin."""
        translates = self.accelerator.name == "tcg"
        return Abilities(
            accelerator=self.accelerator.name,
            forwards=frozenset({"tcp"}),
            debugger=True,
            instruction_clock=translates,
            plugins=translates,
        )

    def describe(self) -> dict[str, Any]:
        """See :class:`unilinux.vm.engine.Engine`."""
        return {
            "engine": self.name,
            "program": PROGRAM,
            "version": version_line(),
            "accelerator": self.accelerator.name,
            "cpu_model": self.accelerator.model,
        }

    def launch(self, boot: Boot) -> QemuProcess:
        """Start QEMU, its guest paused.

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
            wiring = Wiring(qmp=qmp, console=_CONSOLE, report=report)
            argv = (*self._argv(program, boot, wiring, launched_us=time.time_ns() // 1000), "-S")
            try:
                self._keep_command(boot, argv, self._argv(program, boot, _BY_HAND))
                return QemuProcess(argv, ours_qmp, ours_report, console, inherited, boot)
            except BaseException:
                ours_qmp.close()
                ours_report.close()
                console.close()
                raise
            finally:
                console.close_far_ends()

    def _argv(self, program: str, boot: Boot, wiring: Wiring, *, launched_us: int | None = None) -> tuple[str, ...]:
        words = boot_arguments(boot, self.accelerator, wiring, launched_us=launched_us)
        return (program, *(SANDBOX if self.sandboxed else ()), *words)

    def _keep_command(self, boot: Boot, argv: Sequence[str], by_hand: Sequence[str]) -> None:
        hand = "# By hand, the console on the terminal, where Ctrl-A b asks the application to stop:"
        text = f"# As it was run:\n{shlex.join(argv)}\n\n{hand}\n{shlex.join(by_hand)}\n"
        with explained_disk_errors(boot.evidence):
            (boot.evidence / COMMAND_FILE).write_text(text)
