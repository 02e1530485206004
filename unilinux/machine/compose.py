"""From a specification to a machine: a pure function over the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.kconfig.wish import Wish
from unilinux.machine.block import Block
from unilinux.machine.board import board
from unilinux.machine.console import CONSOLE, REPORT, exit_report, serial_console
from unilinux.machine.net import user_network
from unilinux.machine.processor import cpus, memory
from unilinux.machine.spec import MachineSpec
from unilinux.machine.storage import disks, rng

QMP = "qmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Where the machine's character devices lead, as QEMU writes it after ``-chardev``.

    For example ``socket,fd=5``: what a runner hands to QEMU is its own business.
    """

    qmp: str
    console: str
    report: str

    def arguments(self) -> tuple[str, ...]:
        """The QEMU arguments."""
        return (
            *_chardev(QMP, self.qmp), "-mon", f"chardev={QMP},mode=control",
            *_chardev(CONSOLE, self.console),
            *_chardev(REPORT, self.report),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A composed machine; everything about it that doesn't depend on the host."""

    spec: MachineSpec
    blocks: tuple[Block, ...]

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What the kernel must be able to do."""
        return tuple(wish for block in self.blocks for wish in block.wishes)

    @property
    def cmdline(self) -> tuple[str, ...]:
        """Words of the kernel's command line."""
        return tuple(word for block in self.blocks for word in block.cmdline)

    @property
    def qemu(self) -> tuple[str, ...]:
        """QEMU arguments of the devices."""
        return tuple(word for block in self.blocks for word in block.qemu)

    def qemu_argv(
        self, *, kernel: Path, wiring: Wiring, extra_cmdline: Sequence[str] = (), initrd: Path | None = None
    ) -> tuple[str, ...]:
        """Arguments of QEMU, without the program's name, the accelerator and the CPU model.

        ``extra_cmdline`` follows the machine's own words on the kernel's command line. ``initrd``
        is for kernels that don't have their initramfs inside.
        """
        cmdline = " ".join((*self.cmdline, *extra_cmdline))
        beside = ("-initrd", str(initrd)) if initrd else ()
        return (*self.qemu, *wiring.arguments(), "-kernel", str(kernel), *beside, "-append", cmdline)

    def without_cmdline(self) -> Machine:
        """The same machine for a kernel that is told all by hand: no words on its command line."""
        return replace(self, blocks=tuple(replace(block, cmdline=()) for block in self.blocks))

    def describe(self) -> dict[str, Any]:
        """The machine as JSON data, for an image's manifest."""
        return {
            "board": self.spec.board,
            "cpus": self.spec.cpus,
            "memory_mib": self.spec.memory_mib,
            "network": self.spec.network,
            "forwards": [f"{forward.host}:{forward.guest}" for forward in self.spec.forwards],
            "disks": [str(disk.path) for disk in self.spec.disks],
            "rng": self.spec.rng,
            "blocks": [block.name for block in self.blocks],
            "cmdline": " ".join(self.cmdline),
        }


def compose(spec: MachineSpec) -> Machine:
    """The machine that ``spec`` asks for.

    :raise UsageError: there is no such board.
    """
    base = board(spec.board)
    blocks = [base.block(), cpus(spec.cpus), memory(spec.memory_mib), serial_console(), exit_report()]
    virtio: list[Block] = []
    if spec.network:
        virtio.append(user_network(base, spec.forwards))
    if spec.rng:
        virtio.append(rng(base))
    if spec.disks:
        virtio.append(disks(base, spec.disks))
    if virtio:
        blocks += [base.bus(), *virtio]
    return Machine(spec=spec, blocks=tuple(blocks))


def _chardev(name: str, backend: str) -> tuple[str, str]:
    kind, _, options = backend.partition(",")
    return ("-chardev", ",".join(filter(None, (kind, f"id={name}", options))))
