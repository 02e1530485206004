# SPDX-License-Identifier: GPL-2.0-only
"""Profiles: named kinds of kernels, each a TOML file that may extend another one.

schema = 1
summary = "…"
extends = "tiny"                # overrules that profile's symbols where they differ
cmdline = ["quiet"]             # behind the extended profile's

[machine]                       # what a machine is unless the user says otherwise
target = "q35"                  # what --machine names
cpus = 2

[entry]                         # how applications enter the kernel unless the user says otherwise
ring = 0
syscall = "lean"
syscalls = "used"               # only those system calls that the application can make
privileged = "refuse"           # an application with privileged instructions is not built for ring 0

[kernel]
INET = "y"                      # why

[kernel."6.12"]                 # for this kernel alone: others don't know the symbol, or want another value
SLUB_TINY = "n"                 # why
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from unilinux.core.document import Field, Model, TextTable, key_lines, read_document
from unilinux.core.errors import ManifestError, UsageError
from unilinux.core.suggest import suggestion, unknown
from unilinux.kconfig.table import wishes_from_table
from unilinux.kconfig.wish import Layer

_SUFFIX = ".toml"
_NAME = r"[a-z][a-z0-9-]*"


class MachineDefaults(Model):
    """What a profile says of the machine; None where it says nothing. Memory in MiB."""

    target: str | None = Field(
        default=None, description="what is booted and on which board, as `--machine` names it", examples=["q35"]
    )
    memory_mib: int | None = Field(
        default=None, description="the least memory in MiB that a machine gets", examples=[128]
    )
    cpus: int | None = Field(default=None, description="how many processors it has", examples=[2])

    def over(self, other: MachineDefaults) -> MachineDefaults:
        """These values, and ``other``'s where there is none."""
        own = {name: value for name, value in self if value is not None}
        return other.model_copy(update=own)


class EntryDefaults(Model):
    """How applications run and enter the kernel unless the user says otherwise; None where the profile says nothing."""

    ring: Literal[0, 3] | None = Field(
        default=None,
        description="the privilege level that programs run at: 0 that of the kernel, 3 the usual one",
        examples=[0],
    )
    syscall: Literal["trap", "gate", "lean"] | None = Field(
        default=None,
        description=(
            "how programs enter the kernel: by the SYSCALL instruction (`trap`), by a function call (`gate`), or "
            "by one with a shorter path behind it (`lean`)"
        ),
        examples=["lean"],
    )
    syscalls: Literal["all", "used"] | None = Field(
        default=None,
        description="which system calls the kernel has: `all`, or those that are `used` by the image's programs",
        examples=["used"],
    )
    privileged: Literal["warn", "refuse"] | None = Field(
        default=None,
        description=(
            "what is done about privileged instructions in an application for ring 0: `warn` of them, or `refuse`"
            " to build it"
        ),
        examples=["refuse"],
    )

    def over(self, other: EntryDefaults) -> EntryDefaults:
        """These values, and ``other``'s where there is none."""
        own = {name: value for name, value in self if value is not None}
        return other.model_copy(update=own)


class ProfileDocument(Model):
    """A profile's file, as it is written."""

    # Named so in the file; BaseModel has a deprecated method of that name.
    version_of_schema: Literal[1] = Field(alias="schema", description="the version of this format", examples=[1])
    summary: str = Field(description="one line for lists", examples=["For tests"])
    extends: str | None = Field(
        default=None, description="another profile, whose values hold where this one says nothing", examples=["tiny"]
    )
    cmdline: tuple[str, ...] = Field(
        default=(),
        description=(
            "words for the kernel's command line, behind those of the extended profile; `sysctl.NAME=VALUE` sets "
            "a sysctl if the kernel has PROC_SYSCTL"
        ),
        examples=[["quiet"]],
    )
    machine: MachineDefaults = Field(
        default=MachineDefaults(), description="the machine unless the user says otherwise"
    )
    entry: EntryDefaults = Field(
        default=EntryDefaults(), description="how applications run and enter the kernel unless the user says otherwise"
    )
    kernel: TextTable = Field(
        default_factory=dict,
        description=(
            'Kconfig symbols, without `CONFIG_`, and their values; `[kernel."6.12"]` for one kernel. A comment '
            "behind a value is shown as its reason"
        ),
        examples=[{"INET": "y"}],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile together with all that it extends.

    ``chain`` names them, itself last. ``cmdline``, ``machine`` and ``entry`` are
    joined along the chain; ``layer`` stands on the extended profile's layer, and has
    the wishes for every kernel (:meth:`Layer.on`). ``option`` is what ``--profile`` names it by:
    its name, or its file if that is the user's own.
    """

    name: str
    option: str
    summary: str
    chain: tuple[str, ...]
    layer: Layer
    cmdline: tuple[str, ...] = ()
    machine: MachineDefaults = field(default_factory=MachineDefaults)
    entry: EntryDefaults = field(default_factory=EntryDefaults)


def profile_names(folder: Path) -> tuple[str, ...]:
    """The names of all profiles in a folder, sorted."""
    return tuple(sorted(path.stem for path in folder.glob(f"*{_SUFFIX}")))


def read_profile(folder: Path, name: str, *, root: Path) -> Profile:
    """Read a profile and all that it extends.

    :param name: that of a profile in ``folder``, or the path of a file, ``PATH/NAME.toml``. Such a
        profile extends those beside it and those in ``folder``.
    :param root: the project; origins name files relative to it, so that the same project in another
        folder gives the same values.
    :raise UsageError: there is no such profile, or the file's name is no new name of a profile.
    :raise ManifestError: a file that is malformed, extends an unknown profile, or itself.
    """
    if not name.endswith(_SUFFIX):
        if name not in profile_names(folder):
            hint = f"a profile of your own is named by its file: --profile PATH/NAME{_SUFFIX}"
            raise UsageError(unknown("profile", name, profile_names(folder)), hint=hint)
        return _read((folder,), name, root, ())
    file = Path(os.path.abspath(name))
    if file.parent == folder:
        return read_profile(folder, file.stem, root=root)
    if not file.is_file():
        raise UsageError(f"there is no file {name}", hint="./x profiles   lists the profiles that have a name")
    if not re.fullmatch(_NAME, file.stem):
        raise UsageError(f"{name}: a profile's name has small letters, digits and '-': images are named after it")
    if file.stem in profile_names(folder):
        raise UsageError(f"{name}: there is a profile {file.stem} in {folder}; give the file another name")
    return replace(_read((file.parent, folder), file.stem, root, ()), option=_shown(file, root))


def _read(folders: Sequence[Path], name: str, root: Path, below: tuple[str, ...]) -> Profile:
    path = next(path for folder in folders if (path := folder / f"{name}{_SUFFIX}").is_file())
    document = read_document(path, ProfileDocument)
    file = _shown(path, root)
    text = path.read_text(encoding="utf-8")
    parent = None
    if document.extends is not None:
        _check_parent(folders, document.extends, (*below, name), f"{file}:{key_lines(text)['extends']}: extends")
        parent = _read(folders, document.extends, root, (*below, name))
    wishes = wishes_from_table(file, text, document.kernel)
    return Profile(
        name=name,
        option=name,
        summary=document.summary,
        chain=(*(parent.chain if parent else ()), name),
        layer=Layer(name=f"profile {name}", wishes=wishes, base=parent.layer if parent else None),
        cmdline=tuple(dict.fromkeys((*(parent.cmdline if parent else ()), *document.cmdline))),
        machine=document.machine.over(parent.machine) if parent else document.machine,
        entry=document.entry.over(parent.entry) if parent else document.entry,
    )


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _check_parent(folders: Sequence[Path], parent: str, chain: tuple[str, ...], where: str) -> None:
    if parent in chain:
        circle = " -> ".join((*chain[chain.index(parent) :], parent))
        raise ManifestError(f"{where}: profiles extend each other in a circle: {circle}")
    known = tuple(sorted({name for folder in folders for name in profile_names(folder)}))
    if parent not in known:
        guess = suggestion(parent, known) or f" (known: {', '.join(known)})"
        raise ManifestError(f"{where}: there is no profile {parent!r}{guess}")
