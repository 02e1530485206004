"""The seam between a machine and what emulates it: native QEMU, QEMU in WebAssembly, a test's fake."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unilinux.core.errors import UniLinuxError
from unilinux.machine.compose import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What is booted, and the folder that gets the evidence of this run.

    ``kernel`` is a PVH ``vmlinux`` with its initramfs inside, or a bzImage, which takes longer
    but is the form that Linux's KASLR applies to, perhaps with ``initrd`` beside it.
    ``cmdline`` is added to the machine's own.
    """

    machine: Machine
    kernel: Path
    evidence: Path
    cmdline: tuple[str, ...] = ()
    initrd: Path | None = None


class Stream(Protocol):
    """Our end of the guest's serial port."""

    def receive(self) -> bytes:
        """Wait for output of the guest; nothing when it has ended."""

    def send(self, data: bytes) -> None:
        """Type something; a guest that has ended takes no notice."""

    def close(self) -> None:
        """Let go of it; the emulator has ended, and nobody receives any more."""


class Emulator(Protocol):
    """A started emulator whose guest is still paused: QMP's ``cont`` lets it run.

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
        """A connected stream socket that gets how PID 1 ended."""

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, negative for a signal, or None when it is still running by then."""

    def kill(self) -> None:
        """End it at once, whatever it does; one that has ended is fine."""

    def complaints(self) -> tuple[str, ...]:
        """The last lines that it wrote about itself."""

    def launch_failure(self) -> UniLinuxError | None:
        """Why it ended before its guest ran; None when it is running."""


class Runner(Protocol):
    """Something that can launch emulators."""

    def launch(self, boot: Boot) -> Emulator:
        """Start an emulator for ``boot``.

        :raise HostError: the host lacks something that it needs.
        """
