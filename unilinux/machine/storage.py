# SPDX-License-Identifier: GPL-2.0-only
"""Disks, folders of the host, and the source of random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish
from unilinux.machine.spec import Disk, RootDisk, Share, Volume


def _driver() -> tuple[Wish, ...]:
    return (
        wish("BLOCK", why="block devices"),
        wish("BLK_DEV", why="menu of VIRTIO_BLK"),
        wish("VIRTIO_BLK", why="disk"),
    )


_FILE_SYSTEMS: Mapping[str, Callable[[], Wish]] = MappingProxyType(
    {"ext4": lambda: wish("EXT4_FS", why="file system of a volume")}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(Part):
    """The disk with the root file system. It is the first disk."""

    name: str = "root"
    disk: RootDisk

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The driver. The file system is the carrier's affair."""
        return _driver()

    @property
    def cmdline(self) -> tuple[str, ...]:
        """What is mounted, and the program in it that the kernel starts, which isn't the one that it would look for."""
        return ("root=/dev/vda", f"rootfstype={self.disk.file_system}", "init=/init")

    def describe(self) -> dict[str, Any]:
        """The path as text."""
        return {"name": self.name, "file": str(self.disk.file or ""), "file_system": self.disk.file_system}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disks(Part):
    """One virtio disk for each raw image."""

    name: str = "disk"
    images: tuple[Disk, ...]

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The driver."""
        return _driver()

    def describe(self) -> dict[str, Any]:
        """Paths as text."""
        images = [{"path": str(disk.path), "read_only": disk.read_only} for disk in self.images]
        return {"name": self.name, "images": images}


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes(Part):
    """One virtio disk for each volume, with the volume's name as serial number."""

    name: str = "volume"
    volumes: tuple[Volume, ...]

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The driver, the file systems, and what tells the disks' serial numbers."""
        return (
            *_driver(),
            wish("SYSFS", why="init finds a volume by its disk's serial number"),
            *(_FILE_SYSTEMS[kind]() for kind in sorted({volume.file_system for volume in self.volumes})),
        )

    def describe(self) -> dict[str, Any]:
        """Paths as text."""
        return {"name": self.name, "volumes": [volume.to_json() for volume in self.volumes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares(Part):
    """Folders of the host, each behind a virtio device of its own that speaks 9P."""

    name: str = "share"
    shares: tuple[Share, ...]

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """The file system, and what it talks through."""
        return (
            wish("NET", why="menu of NET_9P"),
            wish("NET_9P", why="talks to the host's file server"),
            wish("NET_9P_VIRTIO", why="by virtio"),
            wish("NETWORK_FILESYSTEMS", why="menu of 9P_FS"),
            wish("9P_FS", why="folders of the host"),
        )

    def describe(self) -> dict[str, Any]:
        """Paths as text."""
        return {"name": self.name, "shares": [share.to_json() for share in self.shares]}


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
