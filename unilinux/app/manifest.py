"""What an application is: the validated content of ``apps/NAME/app.toml``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import reduce
from operator import or_
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

from unilinux.app.checks import Check, Port, port_of
from unilinux.core.document import BeforeValidator, Field, Model, TextTable, field_validator, model_validator
from unilinux.sources.registry import KINDS
from unilinux.sources.source import Source, inside

NAME_PATTERN = r"^[a-z][a-z0-9-]*$"

AppName = Annotated[str, Field(pattern=NAME_PATTERN)]
Mode = Annotated[str, Field(pattern=r"^0[0-7]{3,4}$")]
STOP_SIGNALS = ("SIGINT", "SIGQUIT")

Owner = Annotated[str, Field(pattern=r"^(0|[1-9]\d{0,9}):(0|[1-9]\d{0,9})$")]


def _guest(path: str) -> str:
    """An absolute, normal path of the guest."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path:
        raise ValueError(f"{path!r} must be an absolute path without '..' and without a '/' at its end")
    return path


if TYPE_CHECKING:
    AnySource = Source
else:
    # One of the kinds that there are, by its key "kind".
    AnySource = Annotated[reduce(or_, KINDS), Field(discriminator="kind")] if len(KINDS) > 1 else KINDS[0]


def _lies_in(path: str, folder: str) -> bool:
    """Whether one path of the guest is another, or below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


class Build(Model):
    """Shell commands, each run by ``sh -eu`` in the build folder."""

    steps: tuple[str, ...] = Field(min_length=1)


STICKY = 0o1777
"""The mode of a folder in which everybody may make files, and remove his own."""

INIT_PATH = "/init"
"""The first program of each image."""


class File(Model):
    """One path of the image, and where it comes from: exactly one origin is set."""

    path: str
    build: str | None = None
    source: str | None = None
    local: str | None = None
    template: str | None = None
    directory: Literal[True] | None = None
    symlink: str | None = None
    mode: Mode | None = None
    owner: Owner | None = None
    # How a built program enters the kernel, where it can't be as the image's others do.
    syscall: Literal["trap"] | None = None

    @field_validator("path")
    @classmethod
    def _path_of_guest(cls, path: str) -> str:
        if path == INIT_PATH:
            raise ValueError(f"{INIT_PATH} is the program of UniLinux that starts the application")
        return _guest(path)

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
        if self.syscall is not None and self.build is None:
            raise ValueError(f"{self.path} doesn't come from the build: only built programs have a choice of syscall")
        return self

    @property
    def may_be_folder(self) -> bool:
        """Whether this may be a folder with files in it; only the build, the source or the host's folder tells."""
        return self.build is not None or self.source is not None or self.local is not None

    @property
    def uid_gid(self) -> tuple[int, int] | None:
        """The owner as numbers; None: as the file's origin has it, which is root unless the source says otherwise."""
        if self.owner is None:
            return None
        uid, gid = self.owner.split(":")
        return int(uid), int(gid)

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


def _stop_signal(name: object) -> object:
    """See that a signal can be sent: by a control character of the terminal, which is how the host asks for the end."""
    if isinstance(name, str) and name not in STOP_SIGNALS and re.fullmatch(r"SIG[A-Z0-9]+", name):
        raise ValueError(
            f"{name} can't be sent yet: the host types a control character on the console, which makes "
            f"{' or '.join(STOP_SIGNALS)}. Name the one that ends the application"
        )
    return name


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
    stop: Annotated[Literal["SIGINT", "SIGQUIT"], BeforeValidator(_stop_signal)] | None = None
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
        targets = [Mount.parse(text).target for text in mounts]
        for number, target in enumerate(targets):
            for later in targets[number + 1 :]:
                if _lies_in(target, later):
                    raise ValueError(f"the mount at {later} would hide the one at {target}: put it first")
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


def standard_streams(run: Run) -> Mapping[str, str]:
    """The links below ``/dev`` by which a program opens its standard streams once more, with their targets.

    ``/proc`` knows what they are. Without it they are the console, as they are for the application when it starts.
    """
    names = ("stdin", "stdout", "stderr")
    if any(mount.kind == "proc" and mount.target == "/proc" for mount in run.mount_points):
        links = {f"/dev/{name}": f"/proc/self/fd/{number}" for number, name in enumerate(names)}
        return {"/dev/fd": "/proc/self/fd", **links}
    return {f"/dev/{name}": "console" for name in names}


class Manifest(Model):
    """An application, from source to proof that it works."""

    # Named so in the file; BaseModel has a deprecated method of that name.
    version_of_schema: Literal[1] = Field(alias="schema")
    name: AppName
    summary: str
    version: str
    # The profile that it is built with unless the user names another one.
    profile: AppName
    source: AnySource
    # Without it the files come from the source, from beside app.toml and from templates.
    build: Build | None = None
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
        if self._holder(self.run.argv[0]) is None:
            problems.append(f"run.argv: {self.run.argv[0]} is not among the files")
        built = [file.path for file in self.files if file.build is not None]
        if self.build is not None and not built:
            problems.append("files: nothing comes from the build")
        problems += [
            f"files: {path} would be hidden by the mount at {mount.target}"
            for path in paths
            for mount in self.run.mount_points
            if path != mount.target and _lies_in(path, mount.target)
        ]
        if self.build is None:
            problems += [f"files: {path} comes from a build, but there is no [build]" for path in built]
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
    def main(self) -> File:
        """The entry of the file that init starts, or of a folder that it is in."""
        found = self._holder(self.run.argv[0])
        assert found is not None  # checked when the manifest was read
        return found

    def _holder(self, path: str) -> File | None:
        """The nearest entry that can hold a path: that of the file itself, or of a folder of files above it."""
        above = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
        by_path = {file.path: file for file in self.files if file.path == path or file.may_be_folder}
        return next((by_path[place] for place in above if place in by_path), None)

    @property
    def built_files(self) -> tuple[str, ...]:
        """What the build must leave behind, by path in the build folder; sorted, each once."""
        return tuple(sorted({file.build for file in self.files if file.build is not None}))

    @property
    def source_files(self) -> tuple[str, ...]:
        """What is taken from the source as it is laid out, before the build; sorted, each once."""
        return tuple(sorted({file.source for file in self.files if file.source is not None}))
