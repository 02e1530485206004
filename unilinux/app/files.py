# SPDX-License-Identifier: GPL-2.0-only
"""The ``[[files]]`` of a manifest: the paths of an image and where they come from."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from unilinux.core.document import Field, Model, field_validator, model_validator
from unilinux.sources.source import inside

Mode = Annotated[str, Field(pattern=r"^0[0-7]{3,4}$")]
Owner = Annotated[str, Field(pattern=r"^(0|[1-9]\d{0,9}):(0|[1-9]\d{0,9})$")]

STICKY = 0o1777
"""The mode of a folder in which everybody may make files, and remove his own."""

TERMINAL = 0o622
"""The mode of the console: an application that gave up root may still open its standard output once more."""

INIT_PATH = "/init"
"""The first program of each image."""


class File(Model):
    """One path of the image, and where it comes from: exactly one origin is set."""

    path: str = Field(description="the absolute path in the image", examples=["/bin/server"])
    build: str | None = Field(
        default=None,
        description=(
            "origin: a file or folder that the build leaves behind, relative to its folder; programs are stripped"
        ),
        examples=["src/server"],
    )
    source: str | None = Field(
        default=None,
        description="origin: a file or folder of the source, as it is before the build",
        examples=["conf/mime.types"],
    )
    local: str | None = Field(
        default=None,
        description="origin: a file or folder beside `app.toml`; a folder comes with all that is in it",
        examples=["index.html"],
    )
    template: str | None = Field(
        default=None,
        description=(
            "origin: a Jinja2 template beside `app.toml`; it knows `[vars]`, `name`, `ports`, `memory_mib` and `argv`"
        ),
        examples=["server.conf.j2"],
    )
    directory: Literal[True] | None = Field(default=None, description="origin: an empty folder", examples=[True])
    symlink: str | None = Field(default=None, description="origin: a symbolic link to this path", examples=["server"])
    mode: Mode | None = Field(
        default=None,
        description=(
            "the mode, in octal, with set-id and sticky bits; usually 0755 for folders and what is built, 0644 "
            "for other files, 1777 for an empty `/tmp`"
        ),
        examples=["0644"],
    )
    owner: Owner | None = Field(
        default=None, description="the owner, as numbers `USER:GROUP`; usually root", examples=["65534:65534"]
    )
    syscall: Literal["trap"] | None = Field(
        default=None,
        description=(
            "`trap` for a program that makes its system calls by the SYSCALL instruction, whatever `--syscall` says: "
            "it isn't rewritten, nor is a variant taken that `$CC` linked"
        ),
        examples=["trap"],
    )

    @field_validator("path")
    @classmethod
    def _path_of_guest(cls, path: str) -> str:
        if path == INIT_PATH:
            raise ValueError(f"{INIT_PATH} is the program of UniLinux that starts the application")
        return guest_path(path)

    @field_validator("build", "source", "local", "template")
    @classmethod
    def _origin_inside(cls, path: str | None) -> str | None:
        return None if path is None else inside(path)

    @model_validator(mode="after")
    def _one_origin(self) -> File:
        origins = ("build", "source", "local", "template", "directory", "symlink")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"{self.path} needs exactly one of {', '.join(origins)}, not {said}")
        if self.symlink is not None and self.mode is not None:
            raise ValueError(f"{self.path} is a symlink: it has no mode of its own")
        if self.path == "/" and not self.may_be_folder:
            raise ValueError("/ is a folder: it can only be filled with one that comes from build, source or local")
        if self.syscall is not None and not self.may_be_folder:
            raise ValueError(f"{self.path} is no program: only programs have a choice of syscall")
        return self

    @property
    def may_be_folder(self) -> bool:
        """Whether this may be a folder with files in it; only the build, the source or the host's folder tells."""
        return self.build is not None or self.source is not None or self.local is not None

    @property
    def is_place(self) -> bool:
        """Whether something can be mounted over this: a folder, or what may be one and is no program."""
        return self.directory is True or self.source is not None or self.local is not None

    @property
    def uid_gid(self) -> tuple[int, int] | None:
        """The owner as numbers; None: as the file's origin has it, which is root unless the source says otherwise."""
        return None if self.owner is None else owner_numbers(self.owner)

    @property
    def permissions(self) -> int:
        """The mode bits: as given, else 0755 for folders and built files, 0644 for the others.

        Folders in which everybody may make files have 1777 as everywhere: ``/tmp``, ``/var/tmp``, ``/dev/shm``.
        """
        if self.mode is not None:
            return int(self.mode, 8)
        if self.directory and self.path in ("/tmp", "/var/tmp", "/dev/shm"):
            return STICKY
        return 0o755 if self.directory or self.build is not None else 0o644


def owner_numbers(owner: str) -> tuple[int, int]:
    """The numbers of an owner that is written ``USER:GROUP``."""
    uid, gid = owner.split(":")
    return int(uid), int(gid)


def guest_path(path: str) -> str:
    """An absolute, normal path of the guest."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path:
        raise ValueError(f"{path!r} must be an absolute path without '..' and without a '/' at its end")
    return path


def lies_in(path: str, folder: str) -> bool:
    """Whether one path of the guest is another, or below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
