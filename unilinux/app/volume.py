# SPDX-License-Identifier: GPL-2.0-only
"""What init mounts of the host's: the ``[[volume]]`` of a manifest, whose data stays, and shared folders."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from unilinux.app.files import Mode, Owner, guest_path, owner_numbers
from unilinux.core.document import Field, Model, field_validator

# mke2fs -L takes 16 bytes, a disk's serial number 20.
_NAME = r"^[a-z][a-z0-9-]{0,15}$"


class Volume(Model):
    """A file system of its own, in a file of the host, that init mounts before it starts the application.

    What the image itself has at that path, but for the folder's owner and mode, can't be seen there.
    """

    KIND: ClassVar[str] = "volume"

    name: Annotated[str, Field(pattern=_NAME)] = Field(
        description="its name, which is the serial number of its disk", examples=["data"]
    )
    path: str = Field(description="where it is mounted", examples=["/var/lib/server"])
    size_mib: int = Field(ge=8, le=1 << 24, description="how large it is made, and at least has to be", examples=[256])
    file_system: Literal["ext4"] = Field(default="ext4", description="its file system", examples=["ext4"])
    owner: Owner | None = Field(
        default=None,
        description="who owns its topmost folder, as numbers `USER:GROUP`; usually who owns that folder in the image",
        examples=["999:999"],
    )
    mode: Mode | None = Field(
        default=None,
        description="the mode of that folder, in octal; usually that in the image, else 0755",
        examples=["0700"],
    )

    @field_validator("path")
    @classmethod
    def _path_of_guest(cls, path: str) -> str:
        if path == "/":
            raise ValueError("a volume can't be the root of the file system: name a folder")
        return guest_path(path)

    @property
    def uid_gid(self) -> tuple[int, int] | None:
        """The owner as numbers; None: as the image has it."""
        return None if self.owner is None else owner_numbers(self.owner)


class Share(Model):
    """A folder of the host that init mounts, found by its tag, which is ``name``. Only the user asks for one."""

    KIND: ClassVar[str] = "share"

    name: str
    path: str
    read_only: bool = False

    @field_validator("path")
    @classmethod
    def _path_of_guest(cls, path: str) -> str:
        if path == "/":
            raise ValueError("a share can't be the root of the file system: name a folder")
        return guest_path(path)
