# SPDX-License-Identifier: GPL-2.0-only
"""Which image a command is about: its options, and the request that they make."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

from unilinux.core.errors import UsageError

if TYPE_CHECKING:
    from unilinux.image.request import Request

P = ParamSpec("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The options of a command line that say which image; empty or 0 where the user said nothing.

    With each stands what ``--help`` says of it.
    """

    app: Annotated[
        str, "the application: a name (./x apps lists them), or the PATH of a folder with an app.toml or of a program"
    ]
    profile: Annotated[
        str, "the kind of kernel: ./x profiles lists them, or a PATH.toml; the application says which is usual"
    ] = ""
    ring: Annotated[str, "0 or 3: the privilege ring of the application's code; the profile says which is usual"] = ""
    syscall: Annotated[
        str, "trap, gate or lean: how the application enters the kernel; the profile says which is usual"
    ] = ""
    syscalls: Annotated[
        str, "all, or used: leave those out of the kernel that the application never makes; the profile says which"
    ] = ""
    machine: Annotated[str, "the target: microvm (usual) or q35"] = ""
    kernel: Annotated[str, "a kernel of configs/kernels.toml, or a tarball or folder of Linux"] = ""
    pack: Annotated[
        str, "initramfs (in the kernel, unpacked to memory) or erofs (a disk): usually by the size of the files"
    ] = ""
    memory: Annotated[int, "the guest's memory in MiB; the application says what is usual"] = 0
    forward: Annotated[
        tuple[str, ...], "HOST:GUEST, a TCP port of this host that leads to the guest's; repeatable"
    ] = ()
    volume: Annotated[
        tuple[str, ...], "FILE:/PATH, a disk (raw, or .qcow2) whose data stays, and where it is mounted; repeatable"
    ] = ()
    share: Annotated[
        tuple[str, ...], "FOLDER:/PATH or FOLDER:/PATH:ro, a folder of this host, and where it is mounted; repeatable"
    ] = ()
    cmdline: Annotated[str, "further words of the kernel's command line, such as 'loglevel=7 nokaslr'"] = ""
    env: Annotated[tuple[str, ...], "NAME=VALUE, a variable of the application's environment; repeatable"] = ()
    arguments: Annotated[
        str, "further arguments of the application, quoted as for a shell; all words behind -- are such, too"
    ] = ""
    initrd: Annotated[str, "a cpio archive that the kernel unpacks over the files of the image"] = ""

    def request(self) -> Request:
        """What is asked for.

        :raise UsageError: a value that can't be read.
        """
        from unilinux.app.startup import startup_words
        from unilinux.image.request import Request
        from unilinux.machine.spec import Forward, SharedFolder, VolumeFile

        return Request(
            app=self.app,
            profile=self.profile or None,
            target=self.machine or None,
            ring=_ring(self.ring),
            syscall=self.syscall or None,
            syscalls=self.syscalls or None,
            kernel=self.kernel or None,
            pack=self.pack or None,
            memory_mib=self.memory or None,
            forwards=tuple(Forward.parse(text) for text in self.forward),
            volumes=tuple(VolumeFile.parse(text) for text in self.volume),
            shares=tuple(SharedFolder.parse(text) for text in self.share),
            words=(*startup_words(_split(self.arguments), self.env), *self.cmdline.split()),
            initrd=Path(self.initrd) if self.initrd else None,
        )


def helps(*options: str) -> Mapping[str, str]:
    """What ``--help`` says of these options of a :class:`Choice`."""
    hints = get_type_hints(Choice, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in options}


def repeatable(*options: str) -> tuple[str, ...]:
    """Those of these options that may be given more than once."""
    return tuple(field.name for field in fields(Choice) if field.name in options and isinstance(field.default, tuple))


def taking(*options: str) -> Callable[[Callable[Concatenate[Choice, P], None]], Callable[..., None]]:
    """Decorate a command that takes a :class:`Choice`, so that it takes these ``options`` of one instead.

    invoke reads a task's options from the signature of its function, whose first
    parameter is the context: such a signature is what the decorated one shows.
    """
    chosen = [field for field in fields(Choice) if field.name in options]

    def decorate(command: Callable[Concatenate[Choice, P], None]) -> Callable[..., None]:
        @wraps(command)
        def task(_context: object, **said: Any) -> None:
            values: dict[str, Any] = {field.name: said.pop(field.name) for field in chosen}
            # invoke gathers what is repeatable in a list.
            values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            command(Choice(**values), **said)  # type: ignore[call-arg] # its own options, by name

        own = list(signature(command).parameters.values())[1:]
        task.__signature__ = Signature(  # type: ignore[attr-defined] # what inspect.signature() looks for
            [
                Parameter("context", Parameter.POSITIONAL_OR_KEYWORD),
                *(Parameter(field.name, Parameter.KEYWORD_ONLY, default=_usual(field.default)) for field in chosen),
                *(parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own),
            ]
        )
        return task

    return decorate


def _usual(default: object) -> object:
    if default is MISSING:
        return Parameter.empty
    return None if isinstance(default, tuple) else default  # None: what invoke has for repeatable ones


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--arguments {text!r}: {error}", hint="write them behind --") from error


def _ring(text: str) -> int | None:
    if text and not text.isdecimal():
        raise UsageError(f"there is no ring {text!r}", hint="--ring 0 or --ring 3")
    return int(text) if text else None
