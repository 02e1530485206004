# SPDX-License-Identifier: GPL-2.0-only
"""What carries text and the exit status out of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPort(Part):
    """The first serial port, an 8250, as console both ways."""

    name: str = "console"
    tty: str = "ttyS0"

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """A terminal on the port, and the kernel's messages."""
        return (
            wish("PRINTK", why="messages of the kernel"),
            wish("TTY", why="terminal of the application"),
            wish("SERIAL_8250", why="serial port"),
            wish("SERIAL_8250_CONSOLE", why="console on the serial port"),
            wish("SERIAL_8250_NR_UARTS", "1", why="there is only one"),
            wish("SERIAL_8250_RUNTIME_UARTS", "1", why="there is only one"),
            wish("UNILINUX_STOP", why="a break asks the application to stop"),
        )

    @property
    def cmdline(self) -> tuple[str, ...]:
        """The console is there."""
        return (f"console={self.tty}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportPort(Part):
    """Two I/O ports that the patched kernel writes to when PID 1 ends.

    ``report_port`` gets ``exit 3`` or ``signal 11`` as text, then a write to ``exit_port`` ends the machine.
    """

    name: str = "exit"
    report_port: int = 0xE9
    exit_port: int = 0xF4

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The kernel's side of it."""
        return (
            wish("UNILINUX_EXIT", why="the end of PID 1 is the end of the machine, with its exit status"),
            wish("UNILINUX_EXIT_STATUS_PORT", f"{self.report_port:#x}", why="QEMU's isa-debugcon"),
            wish("UNILINUX_EXIT_PORT", f"{self.exit_port:#x}", why="QEMU's isa-debug-exit"),
        )
