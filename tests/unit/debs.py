# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages made by hand: any owners, any members, without root."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.fetch.apt import Wanted
from unilinux.fetch.fetcher import Fetched


@dataclass(frozen=True)
class Member:
    """A file, folder or link of a package, as tar has it."""

    name: str
    content: str = ""
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)
    type: bytes = tarfile.REGTYPE
    target: str = ""

    def write(self, tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(f"./{self.name}")
        info.mode, info.type, info.linkname = self.mode, self.type, self.target
        info.uid, info.gid = self.owner
        info.size = len(self.content.encode())
        tar.addfile(info, io.BytesIO(self.content.encode()))


def folder(name: str, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Member:
    return Member(name, mode=mode, owner=owner, type=tarfile.DIRTYPE)


def link(name: str, target: str) -> Member:
    return Member(name, mode=0o777, type=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> Member:
    return Member(name, type=tarfile.LNKTYPE, target=f"./{target}")


@dataclass(frozen=True)
class Deb:
    """A package; ``fields`` are more of its control file, such as Depends."""

    name: str
    version: str = "1.0-1"
    members: Sequence[Member] = ()
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def control(self) -> str:
        head = {"Package": self.name, "Version": self.version, "Architecture": "all", "Maintainer": "x <x@y>"}
        return "".join(f"{key}: {value}\n" for key, value in {**head, **self.fields, "Description": "d"}.items())

    @property
    def bytes(self) -> bytes:
        """The file: an ar archive of two tarballs."""
        control = tarball([Member("control", self.control)])
        parts = {"debian-binary": b"2.0\n", "control.tar": control, "data.tar": tarball(self.members)}
        return b"!<arch>\n" + b"".join(
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
            for name, data in parts.items()
        )


def tarball(members: Sequence[Member]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for member in members:
            member.write(tar)
    return made.getvalue()


class Shelf:
    """A fetcher that has these packages and no others."""

    def __init__(self, home: Path, *debs: Deb) -> None:
        self.asked: list[Wanted] = []
        self.packages: dict[str, Fetched] = {}
        for deb in debs:
            path = home / f"{deb.name}.deb"
            path.write_bytes(deb.bytes)
            self.packages[deb.name] = Fetched(path, deb.version, hashlib.sha256(deb.bytes).hexdigest())

    def debian_packages(self, wanted: Wanted) -> Mapping[str, Fetched]:
        self.asked.append(wanted)
        return self.packages
