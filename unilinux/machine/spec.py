"""What a machine shall have: the input of :func:`unilinux.machine.compose.compose`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.core.errors import UsageError

# The smallest kernel, loaded at 2 MiB, reaches up to nearly 5 MiB (6.12, tiny profile).
LEAST_MEMORY_MIB = 4
MOST_MEMORY_MIB = 1 << 20
MOST_CPUS = 255
_PORTS = range(65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port of the host, on 127.0.0.1, that leads to a port of the guest.

    Port 0 of the host stands for any free one: QEMU picks it, and
    :meth:`unilinux.vm.vm.Vm.host_port` tells which.
    """

    host: int
    guest: int

    def __post_init__(self) -> None:
        if self.host not in _PORTS or self.guest not in _PORTS[1:]:
            raise UsageError(
                f"cannot forward {self.host}:{self.guest}: ports are numbers from 1 to 65535",
                hint="--forward HOST:GUEST, for example --forward 8080:80 (HOST may be 0: any free port)",
            )

    @classmethod
    def parse(cls, text: str) -> Forward:
        """Read ``8080:80``.

        :raise UsageError: it isn't two port numbers.
        """
        match = re.fullmatch(r"(\d{1,5}):(\d{1,5})", text)
        if match is None:
            raise UsageError(
                f"cannot read the forward {text!r}",
                hint="--forward HOST:GUEST, for example --forward 8080:80",
            )
        return cls(host=int(match[1]), guest=int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A raw image that the guest sees as /dev/vda, /dev/vdb, ... in the order given."""

    path: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A machine to compose.

    The kernel's configuration depends on ``board``, on whether ``cpus`` is more
    than 1, on ``network``, on ``rng`` and on whether there are ``disks``. The
    other values may differ from run to run of the same image.
    """

    board: str = "microvm"
    memory_mib: int = 64
    cpus: int = 1
    network: bool = False
    forwards: tuple[Forward, ...] = ()
    rng: bool = False
    disks: tuple[Disk, ...] = ()

    def __post_init__(self) -> None:
        if not LEAST_MEMORY_MIB <= self.memory_mib <= MOST_MEMORY_MIB:
            raise UsageError(
                f"a machine cannot have {self.memory_mib} MiB of memory",
                hint=f"--memory takes MiB, from {LEAST_MEMORY_MIB} to {MOST_MEMORY_MIB}",
            )
        if not 1 <= self.cpus <= MOST_CPUS:
            raise UsageError(f"a machine cannot have {self.cpus} CPUs", hint=f"from 1 to {MOST_CPUS}")
        if self.forwards and not self.network:
            raise UsageError("cannot forward ports to a machine without a network")
        taken: set[int] = set()
        for forward in self.forwards:
            if forward.host and forward.host in taken:
                raise UsageError(f"port {forward.host} of the host is forwarded twice")
            taken.add(forward.host)

    def reaching(self, ports: Iterable[int]) -> MachineSpec:
        """This machine with a way to each of these ports of the guest: any free port of the host if there is none."""
        missing = sorted(set(ports) - {forward.guest for forward in self.forwards})
        return replace(self, forwards=(*self.forwards, *(Forward(host=0, guest=port) for port in missing)))
