# SPDX-License-Identifier: GPL-2.0-only
"""The ``[run]`` table of a manifest: how the application is started, what it needs, and how it is asked to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from unilinux.app.checks.fields import Port
from unilinux.app.files import guest_path, lies_in
from unilinux.app.signals import signal_number
from unilinux.core.document import AfterValidator, Field, Model, field_validator, model_validator

_USUAL_STOP = "SIGTERM"
"""What the kernel sends unless it is told otherwise; see its documentation of ``unilinux_stop``."""

# A name as useradd takes it, or a number of 32 bits.
_ACCOUNT = r"([a-z_][a-z0-9_.-]{0,31}|\d{1,9}|[1-3]\d{9})"


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
        return cls.model_validate({"kind": kind, "target": guest_path(place)})

    @property
    def symbol(self) -> str:
        """The Kconfig symbol that brings this file system."""
        return {"devtmpfs": "DEVTMPFS", "proc": "PROC_FS", "sysfs": "SYSFS", "tmpfs": "TMPFS"}[self.kind]


def _signal(name: str) -> str:
    """See that there is a signal of that name."""
    signal_number(name)
    return name


class Run(Model):
    """How the application is started, what it needs, and how it is asked to end."""

    argv: tuple[str, ...] = Field(
        min_length=1,
        description="the program, which must be among the files, and its arguments",
        examples=[["/bin/server", "-f", "/etc/server.conf"]],
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="its environment variables; it has no others", examples=[{"HOME": "/"}]
    )
    cwd: str = Field(default="/", description="the folder that it starts in; it must be in the image", examples=["/"])
    user: str | None = Field(
        default=None,
        pattern=rf"^{_ACCOUNT}(:{_ACCOUNT})?$",
        description=(
            "who it runs as, by name or number: `USER` or `USER:GROUP`; usually root. A user's group is that of the "
            "image's `/etc/passwd`; a number that isn't there has group 0, as in container engines. Brings MULTIUSER"
        ),
        examples=["redis"],
    )
    groups: tuple[Annotated[str, Field(pattern=rf"^{_ACCOUNT}$")], ...] | None = Field(
        default=None,
        description=(
            "its further groups, by name or number; usually those that the image's `/etc/group` has the user in"
        ),
        examples=[["adm", "33"]],
    )
    hostname: str = Field(
        default="unilinux", pattern=r"^[a-z0-9]([a-z0-9-]{0,62})$", description="the guest's name", examples=["server"]
    )
    mounts: tuple[str, ...] = Field(
        default=(),
        description=(
            "file systems to mount, in order: `devtmpfs`, `proc`, `sysfs`, or `KIND:/TARGET`, as for `tmpfs`. "
            "Each brings its Kconfig symbol"
        ),
        examples=[["proc", "tmpfs:/tmp"]],
    )
    open_files: int = Field(
        default=1024, ge=16, le=1 << 20, description="how many files it may have open (RLIMIT_NOFILE)", examples=[1024]
    )
    memory_mib: int = Field(
        ge=8, le=1 << 20, description="the guest's memory in MiB; `--memory` says otherwise for one boot", examples=[64]
    )
    network: bool = Field(
        default=False,
        description="whether the machine has a network card and the loopback interface is up",
        examples=[True],
    )
    ports: tuple[Port, ...] = Field(
        default=(), description="the TCP ports that it serves. UDP can't be forwarded yet", examples=[[80]]
    )
    stop: Annotated[str, AfterValidator(_signal)] | None = Field(
        default=None,
        description=(
            "the signal that asks it to end, such as `SIGTERM`, or `SIGRTMIN+3` as glibc counts them. The kernel sends "
            "it when the host sends a break on the console. Without it the application ends by itself"
        ),
        examples=["SIGTERM"],
    )
    stop_status: int | None = Field(
        default=None,
        ge=0,
        le=255,
        description="the exit status that it then ends with. Without it, 0 or the end by that very signal are in order",
        examples=[0],
    )

    @field_validator("argv")
    @classmethod
    def _argv_starts_with_path(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        guest_path(argv[0])
        return argv

    @field_validator("cwd")
    @classmethod
    def _cwd_ofguest_path(cls, cwd: str) -> str:
        return guest_path(cwd)

    @field_validator("mounts")
    @classmethod
    def _mounts_known(cls, mounts: tuple[str, ...]) -> tuple[str, ...]:
        for text in mounts:
            Mount.parse(text)
        targets = [Mount.parse(text).target for text in mounts]
        for number, target in enumerate(targets):
            for later in targets[number + 1 :]:
                if lies_in(target, later):
                    raise ValueError(f"the mount at {later} would hide the one at {target}: put it first")
        return mounts

    @model_validator(mode="after")
    def _ports_need_network(self) -> Run:
        if self.ports and not self.network:
            raise ValueError("ports are served, so network must be true")
        return self

    @property
    def has_identity(self) -> bool:
        """Whether init becomes somebody else than root without further groups."""
        return self.user is not None or self.groups is not None

    @property
    def kernel_words(self) -> tuple[str, ...]:
        """What the kernel's command line says of it: the stop signal, unless it is the kernel's usual one."""
        if self.stop in (None, _USUAL_STOP):
            return ()
        return (f"unilinux_stop={signal_number(str(self.stop))}",)

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
