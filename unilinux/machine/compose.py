# SPDX-License-Identifier: GPL-2.0-only
"""From a specification to a machine: a pure function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unilinux.kconfig.wish import Wish
from unilinux.machine.console import ReportPort, SerialPort
from unilinux.machine.network import NetworkCard
from unilinux.machine.part import Part
from unilinux.machine.processor import Memory, Processors
from unilinux.machine.spec import MachineSpec, RootDisk, Share, Volume
from unilinux.machine.storage import Disks, RandomNumbers, Root, Shares, Volumes
from unilinux.machine.target import Target, find_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The virtual hardware of a boot; everything about it that doesn't depend on the host.

    ``is_told``: whether its words stand on the kernel's command line.
    """

    spec: MachineSpec
    target: Target
    parts: tuple[Part, ...]
    is_told: bool = True

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What the kernel must be able to do."""
        return tuple(wish for part in self.parts for wish in part.wishes)

    @property
    def cmdline(self) -> tuple[str, ...]:
        """Words of the kernel's command line."""
        return tuple(word for part in self.parts for word in part.cmdline) if self.is_told else ()

    def without_cmdline(self) -> Machine:
        """The same machine for a kernel whose command line is written by hand: it adds no words."""
        return replace(self, is_told=False)

    def with_volumes(self, volumes: tuple[Volume, ...]) -> Machine:
        """The same machine with other files for its volumes."""
        return replace(compose(replace(self.spec, volumes=volumes)), is_told=self.is_told)

    def with_root(self, root: RootDisk | None) -> Machine:
        """The same machine with another root disk, or with none."""
        return replace(compose(replace(self.spec, root=root)), is_told=self.is_told)

    def with_shares(self, shares: tuple[Share, ...]) -> Machine:
        """The same machine with other folders for its shares."""
        return replace(compose(replace(self.spec, shares=shares)), is_told=self.is_told)

    def describe(self) -> dict[str, Any]:
        """The machine as JSON data, for an image's manifest; :meth:`MachineSpec.from_json` reads it."""
        return {
            **self.spec.to_json(),
            "board": self.target.board.name,
            "boots": self.target.boots,
            "architecture": self.target.architecture.name,
            "parts": [part.describe() for part in self.parts],
            "cmdline": " ".join(self.cmdline),
        }


def compose(spec: MachineSpec) -> Machine:
    """The machine that ``spec`` asks for.

    :raise UsageError: there is no such target.
    """
    target = find_target(spec.target)
    parts: list[Part] = [
        target.board,
        Processors(count=spec.cpus),
        Memory(size_mib=spec.memory_mib),
        SerialPort(),
        ReportPort(),
    ]
    virtio: list[Part] = []
    if spec.network:
        virtio.append(NetworkCard(addresses=target.network, forwards=spec.forwards))
    if spec.rng:
        virtio.append(RandomNumbers())
    if spec.root is not None:
        virtio.append(Root(disk=spec.root))
    if spec.disks:
        virtio.append(Disks(images=spec.disks))
    if spec.volumes:
        virtio.append(Volumes(volumes=spec.volumes))
    if spec.shares:
        virtio.append(Shares(shares=spec.shares))
    if virtio:
        parts += [target.board.bus, *virtio]
    return Machine(spec=spec, target=target, parts=tuple(parts))
