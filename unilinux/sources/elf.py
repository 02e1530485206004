# SPDX-License-Identifier: GPL-2.0-only
"""A program of this host as it is, with the interpreter and the libraries that it is started with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from unilinux.arch.architecture import X86_64
from unilinux.core.document import Field, field_validator
from unilinux.core.errors import BuildError
from unilinux.core.files import digest_file
from unilinux.core.tree import File, Tree
from unilinux.elf.file import is_elf, read_elf
from unilinux.elf.loader import Loading, Sysroot, Taken, other_machine
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.hostfiles import copy
from unilinux.sources.source import Materials, Source


class ElfSource(Source):
    """A program of this host, static or dynamic, as it is. Its interpreter and libraries come along, each at the path
    where the program looks for it. `source = "."` in `[[files]]` takes them all to `/`."""

    kind: Literal["elf"] = Field(description="this kind of source", examples=["elf"])
    path: str = Field(
        min_length=1,
        description="the program, absolute or relative to the folder of `app.toml`",
        examples=["../server/server"],
    )
    at: str | None = Field(
        default=None,
        description=(
            "its absolute path in the image; usually `/bin/` and its name. `$ORIGIN` is the folder of this; glibc's "
            "loader reads it in `/proc`, which must be mounted then"
        ),
        examples=["/opt/server/bin/server"],
    )
    sysroot: str = Field(
        default="/",
        description=(
            "the folder whose `/lib`, `/usr/lib`, `/etc/ld.so.conf` and so on are looked into, absolute or relative to "
            "the folder of `app.toml`"
        ),
        examples=["/srv/alpine"],
    )
    libraries: tuple[str, ...] = Field(
        default=(),
        description=(
            "what the program opens by itself (`dlopen`): names of libraries, or paths of libraries and other files, "
            "absolute or beginning with `$ORIGIN`. What a library needs comes along"
        ),
        examples=[["libnss_dns.so.2", "$ORIGIN/plugins/gzip.so"]],
    )

    @field_validator("at")
    @classmethod
    def _at_in_guest(cls, at: str | None) -> str | None:
        if at is not None:
            pure = PurePosixPath(at)
            if not pure.is_absolute() or ".." in pure.parts or str(pure) != at or at == "/":
                raise ValueError(f"{at!r} must be an absolute path without '..' and without a '/' at its end")
        return at

    @field_validator("libraries")
    @classmethod
    def _libraries_findable(cls, libraries: tuple[str, ...]) -> tuple[str, ...]:
        for name in libraries:
            if not name or ("/" in name and not name.startswith(("/", "$ORIGIN/", "${ORIGIN}/"))):
                raise ValueError(f"{name!r} must be a name without '/', an absolute path, or begin with $ORIGIN/")
        return libraries

    @property
    def beside(self) -> tuple[str, ...]:
        """See :class:`unilinux.sources.source.Source`."""
        return (self.path,)

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`.

        :raise BuildError: it is no program for this processor, or something that it needs is missing.
        """
        del fetcher  # it is here
        taken = closure(folder / self.path, at=self.at, sysroot=folder / self.sysroot, libraries=self.libraries)
        files = {f"elf:{one.place}": one.origin.resolve() for one in taken}
        modes = {one.place: 0o755 if is_elf(one.origin) else 0o644 for one in taken}

        def lay_out(target: Path) -> Tree:
            entries = []
            for name, origin in files.items():
                path = name.removeprefix("elf:")
                copy(origin, target / path.lstrip("/"))
                entries.append(File(path, target / path.lstrip("/"), modes[path]))
            return Tree.of(entries)

        listed = [{"file": one.place, "sha256": digest_file(one.origin)} for one in taken]
        facts = {"kind": self.kind, "path": self.path, "sysroot": self.sysroot, "files": listed}
        return Materials(lay_out=lay_out, spec={"modes": modes}, files=files, facts=facts)


def closure(
    program: Path, *, at: str | None = None, sysroot: Path = Path("/"), libraries: Sequence[str] = ()
) -> tuple[Taken, ...]:
    """A program and all that it is started with; see :class:`ElfSource` for what the arguments mean.

    :raise BuildError: it is no program for this processor, or something that it needs is missing.
    """
    _require_program(program)
    if not sysroot.is_dir():
        raise BuildError(f"the sysroot {sysroot} is no folder", hint="see source.sysroot in app.toml")
    place = at or f"/bin/{program.name}"
    loading = Loading(program, place, sysroot=Sysroot(sysroot), machine=X86_64.elf_machine)
    for name in libraries:
        loading.add(name)
    if loading.problems:
        raise BuildError(
            f"{program} can't be taken along with all that it needs",
            details=loading.problems,
            hint="install what is missing, or say in which sysroot it is: source.sysroot in app.toml",
        )
    return loading.taken


def _require_program(path: Path) -> None:
    if not path.is_file():
        raise BuildError(f"the program {path} is no file", hint='for a folder: kind = "folder"')
    if not is_elf(path):
        raise BuildError(
            f"{path} is no ELF program",
            hint='for a script, take its interpreter: kind = "deb", or kind = "elf" and the script as a local file',
        )
    if other := other_machine(path, X86_64.elf_machine):
        raise BuildError(f"{path} is a program for another processor: it is {other}", hint="compile it for x86-64")
    elf = read_elf(path)
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        raise BuildError(f"{path} is no program: its kind is {elf.kind}", hint="link it to a program")
    if elf.interpreter is None and elf.soname is not None:
        raise BuildError(f"{path} is a library ({elf.soname}), no program")
