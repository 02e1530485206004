# SPDX-License-Identifier: GPL-2.0-only
"""Disks, and the source of random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish
from unilinux.machine.spec import Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks(Part):
    """One virtio disk for each raw image."""

    name: str = "disk"
    images: tuple[Disk, ...]

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The driver."""
        return (
            wish("BLOCK", why="block devices"),
            wish("BLK_DEV", why="menu of VIRTIO_BLK"),
            wish("VIRTIO_BLK", why="disk"),
        )

    def describe(self) -> dict[str, Any]:
        """Paths as text."""
        images = [{"path": str(disk.path), "read_only": disk.read_only} for disk in self.images]
        return {"name": self.name, "images": images}


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomNumbers(Part):
    """Random numbers from the host, by virtio."""

    name: str = "rng"

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The driver."""
        return (
            wish("HW_RANDOM", why="menu of HW_RANDOM_VIRTIO"),
            wish("HW_RANDOM_VIRTIO", why="random numbers from the host"),
        )
