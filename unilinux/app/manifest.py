"""What an application is: the validated content of ``apps/NAME/app.toml``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Annotated, Literal

from unilinux.app.checks import Check, Port, port_of
from unilinux.core.document import Field, Model, TextTable, field_validator, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9-]*$"

AppName = Annotated[str, Field(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Mode = Annotated[str, Field(pattern=r"^0[0-7]{3}$")]


def _inside(path: str) -> str:
    """A path that stays in the folder it is relative to."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts:
        raise ValueError(f"{path!r} must be a relative path without '..'")
    return path


def _guest(path: str) -> str:
    """An absolute, normal path of the guest."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path:
        raise ValueError(f"{path!r} must be an absolute path without '..' and without a '/' at its end")
    return path


class Tarball(Model):
    """An upstream tarball out of a Debian source package."""

    package: str
    file: str
    sha256: Sha256


class ExtraTarball(Tarball):
    """A further tarball, unpacked to ``./name`` inside the build folder."""

    name: AppName


class _Files(Model):
    # Files that lie beside app.toml, copied to the build folder under the same names.
    files: tuple[str, ...] = ()

    @field_validator("files")
    @classmethod
    def _files_inside(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_inside(file) for file in files)


class DebianSource(Tarball, _Files):
    """Built from a Debian source package: its tarball becomes the build folder."""

    kind: Literal["debian"]
    extra: tuple[ExtraTarball, ...] = ()

    @property
    def tarballs(self) -> tuple[Tarball, ...]:
        """Everything to fetch."""
        return (self, *self.extra)


class LocalSource(_Files):
    """Built from files that lie beside ``app.toml`` alone."""

    kind: Literal["local"]
    files: tuple[str, ...] = Field(min_length=1)

    @property
    def tarballs(self) -> tuple[Tarball, ...]:
        """Nothing is to be fetched."""
        return ()


Source = Annotated[DebianSource | LocalSource, Field(discriminator="kind")]


class Build(Model):
    """Shell commands, each run by ``sh -eu`` in the build folder."""

    steps: tuple[str, ...] = Field(min_length=1)


class File(Model):
    """One path of the image, and where it comes from: exactly one origin is set."""

    path: str
    build: str | None = None
    local: str | None = None
    template: str | None = None
    directory: Literal[True] | None = None
    symlink: str | None = None
    mode: Mode | None = None

    @field_validator("path")
    @classmethod
    def _path_of_guest(cls, path: str) -> str:
        return _guest(path)

    @field_validator("build", "local", "template")
    @classmethod
    def _origin_inside(cls, path: str | None) -> str | None:
        return None if path is None else _inside(path)

    @model_validator(mode="after")
    def _one_origin(self) -> File:
        origins = ("build", "local", "template", "directory", "symlink")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"{self.path} needs exactly one of {', '.join(origins)}, not {said}")
        if self.symlink is not None and self.mode is not None:
            raise ValueError(f"{self.path} is a symlink: it has no mode of its own")
        return self

    @property
    def permissions(self) -> int:
        """The mode bits: as given, else 0755 for folders and built files, 0644 for the others."""
        if self.mode is not None:
            return int(self.mode, 8)
        return 0o755 if self.directory or self.build is not None else 0o644


class Mount(Model):
    """A kernel file system that init mounts before it starts the application."""

    kind: Literal["devtmpfs", "proc", "sysfs", "tmpfs"]
    target: str

    @classmethod
    def parse(cls, text: str) -> Mount:
        """Read ``KIND`` or ``KIND:/TARGET``.

        :raise ValueError: the kind isn't known, or it has no usual place and no target is given.
        """
        usual = {"devtmpfs": "/dev", "proc": "/proc", "sysfs": "/sys", "tmpfs": None}
        kind, _, target = text.partition(":")
        if kind not in usual:
            raise ValueError(f"there is no mount {kind!r} (known: {', '.join(usual)})")
        place = target or usual[kind]
        if place is None:
            raise ValueError(f"{text!r} needs a target, as in '{kind}:/tmp'")
        return cls.model_validate({"kind": kind, "target": _guest(place)})

    @property
    def symbol(self) -> str:
        """The Kconfig symbol that brings this file system."""
        return {"devtmpfs": "DEVTMPFS", "proc": "PROC_FS", "sysfs": "SYSFS", "tmpfs": "TMPFS"}[self.kind]


class Run(Model):
    """How the application is started, what it needs, and how it is asked to end."""

    argv: tuple[str, ...] = Field(min_length=1)
    env: dict[str, str] = Field(default_factory=dict)
    cwd: str = "/"
    hostname: str = Field(default="unilinux", pattern=r"^[a-z0-9]([a-z0-9-]{0,62})$")
    mounts: tuple[str, ...] = ()
    open_files: int = Field(default=1024, ge=16, le=1 << 20)
    memory_mib: int = Field(ge=8, le=1 << 20)
    network: bool = False
    ports: tuple[Port, ...] = ()
    # None: it ends by itself and is never asked to.
    stop: Literal["SIGINT", "SIGQUIT"] | None = None
    stop_status: int = Field(default=0, ge=0, le=255)

    @field_validator("argv")
    @classmethod
    def _argv_starts_with_path(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        _guest(argv[0])
        return argv

    @field_validator("cwd")
    @classmethod
    def _cwd_of_guest(cls, cwd: str) -> str:
        return _guest(cwd)

    @field_validator("mounts")
    @classmethod
    def _mounts_known(cls, mounts: tuple[str, ...]) -> tuple[str, ...]:
        for text in mounts:
            Mount.parse(text)
        return mounts

    @model_validator(mode="after")
    def _ports_need_network(self) -> Run:
        if self.ports and not self.network:
            raise ValueError("ports are served, so network must be true")
        return self

    @property
    def mount_points(self) -> tuple[Mount, ...]:
        """The mounts in the order in which init makes them."""
        return tuple(Mount.parse(text) for text in self.mounts)


class Manifest(Model):
    """An application, from source to proof that it works."""

    # Named so in the file; BaseModel has a deprecated method of that name.
    version_of_schema: Literal[1] = Field(alias="schema")
    name: AppName
    summary: str
    version: str
    # The profile that it is built with unless the user names another one.
    profile: AppName
    source: Source
    build: Build
    files: tuple[File, ...] = Field(min_length=1)
    vars: dict[str, str | int | bool] = Field(default_factory=dict)
    run: Run
    # Kconfig symbols, without CONFIG_, that the application itself needs; by kernel where they differ.
    kernel: TextTable = Field(default_factory=dict)
    verify: tuple[Check, ...] = Field(min_length=1)
    # More of what it can do, after verify: when it is observed what it uses of the kernel, and when that is minimised.
    workload: tuple[Check, ...] = ()

    @field_validator("kernel")
    @classmethod
    def _symbols_bare(cls, kernel: TextTable) -> TextTable:
        for symbol in (name for key, value in kernel.items() for name in ((key,) if isinstance(value, str) else value)):
            if symbol.startswith("CONFIG_"):
                raise ValueError(f"write {symbol.removeprefix('CONFIG_')} without CONFIG_")
            if not re.fullmatch(r"[A-Z0-9_]+", symbol):
                raise ValueError(f"{symbol!r} is no Kconfig symbol")
        return kernel

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """Verification, then the workload."""
        return (*self.verify, *self.workload)

    @model_validator(mode="after")
    def _parts_fit(self) -> Manifest:
        problems = [*self._file_problems(), *self._check_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _file_problems(self) -> list[str]:
        paths = [file.path for file in self.files]
        problems = [f"files: {path} is given twice" for path, count in Counter(paths).items() if count > 1]
        if self.run.argv[0] not in paths:
            problems.append(f"run.argv: {self.run.argv[0]} is not among the files")
        if not any(file.build is not None for file in self.files):
            problems.append("files: nothing comes from the build")
        return problems

    def _check_problems(self) -> list[str]:
        problems = [
            f"{name}: port {port} is not among run.ports"
            for name, checks in (("verify", self.verify), ("workload", self.workload))
            for check in checks
            if (port := port_of(check)) is not None and port not in self.run.ports
        ]
        if self.run.ports and self.run.stop is None:
            problems.append("run.stop: a server needs the signal that asks it to end")
        return problems

    @property
    def built_files(self) -> tuple[str, ...]:
        """What the build must leave behind, by path in the build folder; sorted, each once."""
        return tuple(sorted({file.build for file in self.files if file.build is not None}))
