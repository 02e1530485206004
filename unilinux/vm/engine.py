# SPDX-License-Identifier: GPL-2.0-only
"""What runs machines: the interface of an engine, and what it is asked to boot.

Native QEMU (:mod:`unilinux.vm.qemu`) is the first engine. A test's fake is another.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

from unilinux.core.errors import UniLinuxError, UsageError
from unilinux.machine.compose import Machine

AcceleratorName = Literal["tcg", "kvm"]


@dataclass(frozen=True, slots=True)
class Reset:
    """A boot that begins at the processor's reset, as a machine does that is switched on."""


Origin = Reset
"""Where a boot begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionClock:
    """The guest's clock is its count of instructions: one takes 1 ns, which is also a tick of its TSC.

    Date and random seed are fixed as well: without, repeats differ by some hundred
    instructions. A guest that waits for a timer gets there at once, or, if ``follows_host``,
    when the host's clock does: otherwise a server would give up a client that the host delays.
    """

    follows_host: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A plugin of the emulator, with its options: it sees each instruction, and the guest doesn't notice.

    ``log`` gets the lines that the plugin writes, and between them one for each access to a device.
    """

    path: Path
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    log: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What is booted, and the folder that gets the evidence of this run.

    ``kernel`` is a PVH ``vmlinux`` with its initramfs inside, or a bzImage, which takes longer
    but is the form that Linux's KASLR applies to, perhaps with ``initrd`` beside it.
    ``cmdline`` is added to the machine's own. ``advised``: the kernel is told on its command line
    what fits the accelerator; others' kernels aren't. ``files_bytes`` is how much the kernel unpacks into
    memory before it starts PID 1, as far as that is known.

    ``clock`` and ``plugin`` take an engine that can do that (:class:`Abilities`). ``debugger``
    is the Unix socket on which a debugger waits for the engine's gdb stub.
    """

    machine: Machine
    kernel: Path
    evidence: Path
    cmdline: tuple[str, ...] = ()
    initrd: Path | None = None
    files_bytes: int = 0
    origin: Origin = Reset()
    advised: bool = True
    clock: InstructionClock | None = None
    plugin: Plugin | None = None
    debugger: Path | None = None

    def document(self) -> dict[str, Any]:
        """Plain JSON data, for the evidence."""
        return {
            "origin": type(self.origin).__name__.lower(),
            "machine": self.machine.describe(),
            "kernel": str(self.kernel),
            "initrd": None if self.initrd is None else str(self.initrd),
            "cmdline": list(self.cmdline),
            "counts_instructions": self.clock is not None,
            "plugin": None if self.plugin is None else str(self.plugin.path),
            "debugged": self.debugger is not None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What an engine can do. ``forwards`` are the protocols of ports that it forwards."""

    accelerator: AcceleratorName
    forwards: frozenset[str] = frozenset()
    debugger: bool = False
    instruction_clock: bool = False
    plugins: bool = False

    def require(self, boot: Boot) -> None:
        """Check that the engine can do what ``boot`` asks for.

        :raise UsageError: it can't.
        """
        missing = [
            what
            for what, asked, able in (
                ("count instructions as time", boot.clock, self.instruction_clock),
                ("load a plugin", boot.plugin, self.plugins),
                ("be debugged", boot.debugger, self.debugger),
                ("forward TCP ports", boot.machine.spec.forwards, "tcp" in self.forwards),
            )
            if asked and not able
        ]
        if missing:
            raise UsageError(f"a machine on {self.accelerator} cannot {' or '.join(missing)}", hint="--accel tcg")

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "accelerator": self.accelerator,
            "forwards": sorted(self.forwards),
            "debugger": self.debugger,
            "instruction_clock": self.instruction_clock,
            "plugins": self.plugins,
        }


class Monitor(Protocol):
    """A QMP session."""

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Execute a command and return its result.

        :raise VmError: it was refused, or the other side is gone.
        """


class Stream(Protocol):
    """Our end of the guest's serial port."""

    def receive(self) -> bytes:
        """Wait for output of the guest; nothing when it has ended."""

    def send(self, data: bytes) -> None:
        """Type something; a guest that has ended takes no notice."""

    def close(self) -> None:
        """Let go of it; the engine has ended, and nobody receives any more."""


class Guest(Protocol):
    """A launched machine whose guest is still paused: QMP's ``cont`` lets it run.

    Whoever launched it closes the sockets and the stream when it has ended.
    """

    @property
    def qmp(self) -> socket.socket:
        """A connected stream socket that speaks QMP."""

    @property
    def console(self) -> Stream:
        """The serial port."""

    @property
    def report(self) -> socket.socket:
        """A connected stream socket that gets what the kernel says on its report port."""

    def attach(self, monitor: Monitor) -> None:
        """Use this QMP session for what follows; called once, before the guest runs.

        :raise VmError: the machine is gone.
        """

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection to a forwarded port of the guest.

        That it could be made says nothing of the guest: see :meth:`has_accepted`.

        :raise UsageError: that port isn't forwarded.
        :raise OSError: nobody took the connection in time.
        """

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        """For each forwarded port of the guest the address and the port at which the host reaches it."""

    def has_accepted(self, port: int) -> bool:
        """Whether the guest has accepted a connection, still open, to one of its forwarded ports.

        :raise VmError: the machine is gone.
        """

    def is_idle(self) -> bool:
        """Whether the guest's first CPU waits for an interrupt at this moment.

        :raise VmError: the machine is gone.
        """

    def wait(self, timeout_s: float) -> int | None:
        """The engine's exit code, negative for a signal, or None when it is still running by then."""

    def kill(self) -> None:
        """End it at once, whatever it does; one that has ended is fine."""

    def complaints(self) -> tuple[str, ...]:
        """The last lines that the engine wrote about itself."""

    def launch_failure(self) -> UniLinuxError | None:
        """Why it ended before its guest ran; None when it is running."""


class Engine(Protocol):
    """Something that runs machines. ``reason`` says, for people, why it is this one."""

    @property
    def name(self) -> str:
        """``qemu``."""

    @property
    def reason(self) -> str:
        """A few words."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    def describe(self) -> dict[str, Any]:
        """Plain JSON data: the program, its version, its accelerator: what a result may depend on.

        :raise HostError: the program isn't installed.
        """

    def launch(self, boot: Boot) -> Guest:
        """Start a machine, its guest paused.

        :raise HostError: the host lacks something that it needs.
        """
