# SPDX-License-Identifier: GPL-2.0-only
"""What a machine shall have: the input of :func:`unilinux.machine.compose.compose`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.errors import UsageError

# The smallest kernel, loaded at 2 MiB, reaches up to nearly 5 MiB (6.12, tiny profile).
LEAST_MEMORY_MIB = 4
MOST_MEMORY_MIB = 1 << 20
MOST_CPUS = 255
_PORTS = range(65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port of the host, on 127.0.0.1, that leads to a port of the guest.

    Port 0 of the host stands for any free one: the engine picks it, and
    :meth:`unilinux.vm.vm.Vm.connect` finds it.
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

    def __str__(self) -> str:
        return f"{self.host}:{self.guest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A raw image that the guest sees as /dev/vda, /dev/vdb, ... in the order given."""

    path: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A machine to compose.

    ``target`` is what ``--machine`` names. The kernel's configuration depends on it, on whether ``cpus`` is more
    than 1, on ``network``, on ``rng`` and on whether there are ``disks``. The
    other values may differ from run to run of the same image.
    """

    target: str = "microvm"
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

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {
            "target": self.target,
            "memory_mib": self.memory_mib,
            "cpus": self.cpus,
            "network": self.network,
            "forwards": [str(forward) for forward in self.forwards],
            "rng": self.rng,
            "disks": [{"path": str(disk.path), "read_only": disk.read_only} for disk in self.disks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MachineSpec:
        """The value that :meth:`to_json` was made from; further keys are left alone.

        :raise UsageError: values out of range.
        :raise KeyError: one is missing.
        """
        return cls(
            target=data["target"],
            memory_mib=data["memory_mib"],
            cpus=data["cpus"],
            network=data["network"],
            forwards=tuple(Forward.parse(text) for text in data["forwards"]),
            rng=data["rng"],
            disks=tuple(Disk(path=Path(disk["path"]), read_only=disk["read_only"]) for disk in data["disks"]),
        )
