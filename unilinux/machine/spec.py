# SPDX-License-Identifier: GPL-2.0-only
"""What a machine shall have: the input of :func:`unilinux.machine.compose.compose`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

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
class Volume:
    """A disk whose data stays. The guest knows it by its serial number, which is ``name``, and mounts it at ``path``.

    ``size_mib`` is the least that it must have. ``file`` is its image on the host: qcow2 if the file's name ends so,
    else raw; None: each boot gets an empty one, which goes with the machine.
    """

    name: str
    path: str
    size_mib: int
    file_system: str = "ext4"
    file: Path | None = None

    @property
    def format(self) -> Literal["raw", "qcow2"]:
        """The form of its file. It isn't found out from what is in the file: that is up to the guest."""
        return "qcow2" if self.file is not None and self.file.suffix == ".qcow2" else "raw"

    def __str__(self) -> str:
        return str(VolumeFile(file=self.file or Path(f"{self.name}.img"), path=self.path))

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {**asdict(self), "file": None if self.file is None else str(self.file)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Volume:
        """The value that :meth:`to_json` was made from."""
        return cls(**{**data, "file": None if data["file"] is None else Path(data["file"])})


@dataclass(frozen=True, slots=True)
class RootDisk:
    """The disk that the kernel mounts as its root, read-only. ``file`` is its image; None: it isn't made yet."""

    file: Path | None = None
    file_system: str = "erofs"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFile:
    """The host's ``file`` for the volume that the guest mounts at ``path``."""

    HINT: ClassVar[str] = "--volume FILE:/PATH, for example --volume data.img:/var/lib/server"

    file: Path
    path: str

    @classmethod
    def parse(cls, text: str) -> VolumeFile:
        """Read ``data.img:/var/lib/server``.

        :raise UsageError: it isn't a file and an absolute path.
        """
        file, separator, path = text.rpartition(":/")
        if not (file and separator):
            raise UsageError(f"cannot read the volume {text!r}", hint=cls.HINT)
        return cls(file=Path(file).absolute(), path=f"/{path}")

    def __str__(self) -> str:
        return f"{self.file}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A ``folder`` of the host that the guest mounts at ``path``; it knows it by its tag, which is ``name``.

    ``folder`` is None in an image's record: which one it is, each boot is told.
    """

    name: str
    path: str
    read_only: bool = False
    folder: Path | None = None

    def __str__(self) -> str:
        folder = self.folder or Path(self.name)
        return str(SharedFolder(folder=folder, path=self.path, read_only=self.read_only))

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {**asdict(self), "folder": None if self.folder is None else str(self.folder)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Share:
        """The value that :meth:`to_json` was made from."""
        return cls(**{**data, "folder": None if data["folder"] is None else Path(data["folder"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFolder:
    """A ``folder`` of the host for the guest to mount at ``path``, as the user names it."""

    HINT: ClassVar[str] = "--share FOLDER:/PATH, for example --share ./pages:/var/www, or --share ./pages:/var/www:ro"

    folder: Path
    path: str
    read_only: bool = False

    @classmethod
    def parse(cls, text: str) -> SharedFolder:
        """Read ``./pages:/var/www`` or ``./pages:/var/www:ro``.

        :raise UsageError: it isn't a folder and an absolute path.
        """
        folder, separator, path = text.removesuffix(":ro").rpartition(":/")
        if not (folder and separator):
            raise UsageError(f"cannot read the share {text!r}", hint=cls.HINT)
        return cls(folder=Path(folder).absolute(), path=f"/{path}", read_only=text.endswith(":ro"))

    def __str__(self) -> str:
        return f"{self.folder}:{self.path}{':ro' if self.read_only else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """A machine to compose.

    ``target`` is what ``--machine`` names. The kernel's configuration depends on it, on whether ``cpus`` is more
    than 1, on ``network``, on ``rng``, on whether there are a ``root`` disk, other ``disks`` or ``shares``, and
    on the file systems of ``volumes``. The other values may differ from run to run of the same image.
    """

    target: str = "microvm"
    memory_mib: int = 64
    cpus: int = 1
    network: bool = False
    forwards: tuple[Forward, ...] = ()
    rng: bool = False
    root: RootDisk | None = None
    disks: tuple[Disk, ...] = ()
    volumes: tuple[Volume, ...] = ()
    shares: tuple[Share, ...] = ()

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
            "root": None if self.root is None else str(self.root.file or ""),
            "disks": [{"path": str(disk.path), "read_only": disk.read_only} for disk in self.disks],
            "volumes": [volume.to_json() for volume in self.volumes],
            "shares": [share.to_json() for share in self.shares],
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
            root=_root(data.get("root")),
            disks=tuple(Disk(path=Path(disk["path"]), read_only=disk["read_only"]) for disk in data["disks"]),
            volumes=tuple(Volume.from_json(volume) for volume in data.get("volumes", ())),
            shares=tuple(Share.from_json(share) for share in data.get("shares", ())),
        )


def _root(file: str | None) -> RootDisk | None:
    return None if file is None else RootDisk(Path(file) if file else None)
