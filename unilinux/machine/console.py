"""What carries text and the exit status out of the machine."""

from __future__ import annotations

from unilinux.machine.block import Block, wish

# QEMU's names of the character devices; machine.compose says where they lead.
CONSOLE = "console"
REPORT = "report"

_STATUS_PORT = 0xE9
_EXIT_PORT = 0xF4


def serial_console() -> Block:
    """The first serial port, an 8250, as console both ways."""
    return Block(
        name="console",
        qemu=("-serial", f"chardev:{CONSOLE}"),
        wishes=(
            wish("PRINTK", why="messages of the kernel"),
            wish("TTY", why="terminal that turns ^C into a signal"),
            wish("SERIAL_8250", why="serial port"),
            wish("SERIAL_8250_CONSOLE", why="console on the serial port"),
            wish("SERIAL_8250_NR_UARTS", "1", why="there is only one"),
            wish("SERIAL_8250_RUNTIME_UARTS", "1", why="there is only one"),
        ),
        cmdline=("console=ttyS0",),
    )


def exit_report() -> Block:
    """Two ports that the patched kernel writes to when PID 1 ends.

    Port 0xe9 gets ``exit 3`` or ``signal 11`` as text, then 0xf4 ends QEMU.
    """
    return Block(
        name="exit",
        qemu=(
            "-device", f"isa-debugcon,iobase={_STATUS_PORT:#x},chardev={REPORT}",
            "-device", f"isa-debug-exit,iobase={_EXIT_PORT:#x},iosize=4",
        ),
        wishes=(
            wish("UNILINUX_EXIT", why="the end of PID 1 is the end of the machine, with its exit status"),
            wish("UNILINUX_EXIT_STATUS_PORT", f"{_STATUS_PORT:#x}", why="QEMU's isa-debugcon"),
            wish("UNILINUX_EXIT_PORT", f"{_EXIT_PORT:#x}", why="QEMU's isa-debug-exit"),
        ),
    )  # fmt: skip
