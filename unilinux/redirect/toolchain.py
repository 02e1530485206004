# SPDX-License-Identifier: GPL-2.0-only
"""The tool chain for applications: the host's gcc with a musl of our own.

``read_toolchain`` reads ``configs/toolchains.toml``, ``build_toolchain`` makes a
folder that may be moved anywhere: ``include/``, ``lib/`` and ``bin/`` with
``x86_64-unilinux-musl-gcc`` and its companions, ``libexec/`` with the linker that it
calls. What they link is static.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from unilinux.arch.architecture import X86_64
from unilinux.core.command import clean_environment, run
from unilinux.core.compilers import wrap_compiler
from unilinux.core.document import Field, Model, read_document
from unilinux.core.files import write_atomically
from unilinux.core.hosttools import BUILDER, COMPILER, UNPACKER
from unilinux.core.sandbox import sandbox_of
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.fetch.fetcher import require_intact
from unilinux.fetch.unpack import unpack

PREFIX = X86_64.tool_prefix

_DATA = Path(__file__).parent / "data"
_MUSL_CFLAGS = "-O2 -fno-pie -fno-stack-protector -fcf-protection=none"
_GATE_CFLAGS = f"{_MUSL_CFLAGS} -DUNILINUX_GATE"
_COMPANIONS = ("ar", "nm", "objcopy", "objdump", "ranlib", "readelf", "strip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainSpec:
    """Which musl, and how its programs enter the kernel.

    It is built twice: its programs enter the kernel by the SYSCALL instruction, as
    everywhere, or by a call of UniLinux's gate. The patch series makes the second
    possible. In both, what the library finds broken ends by SIGSEGV at any privilege level.
    """

    version: str
    package: str
    file: str
    sha256: str


class _Musl(Model):
    version: str
    package: str
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Document(Model):
    version_of_schema: Literal[1] = Field(alias="schema")
    musl: _Musl


def read_toolchain(path: Path) -> ToolchainSpec:
    """Read ``configs/toolchains.toml``.

    :raise ManifestError: it is missing or doesn't hold.
    """
    musl = read_document(path, _Document).musl
    return ToolchainSpec(version=musl.version, package=musl.package, file=musl.file, sha256=musl.sha256)


def build_toolchain(
    spec: ToolchainSpec,
    *,
    tarball: Path,
    headers: Path,
    headers_digest: str,
    patches: Path,
    store: Store,
    jobs: int,
) -> Output:
    """The tool chain's folder, built unless it is there already.

    :param tarball: musl's source, verified.
    :param headers: a folder with ``include/``, as the kernel's ``headers_install`` makes it.
    :param headers_digest: the digest of that folder.
    :param patches: the folder of musl's patch series; nothing is patched when it has no ``series`` file.
    :raise BuildError: a patch doesn't apply, or the compiler said no.
    """
    series = musl_series(patches)
    step = Step(
        name="toolchain",
        label=f"building musl {spec.version}",
        spec={**asdict(spec), "cflags": [_MUSL_CFLAGS, _GATE_CFLAGS]},
        inputs={"headers": headers_digest},
        tools=(*UNPACKER, *COMPILER, *BUILDER, "patch"),
        files={
            **{f"data:{file.name}": file for file in sorted(_DATA.iterdir())},
            **{f"patch:{number:04}": patch for number, patch in enumerate(series)},
        },
    )
    return store.run(step, lambda space: _make(space, spec, tarball, headers, series, jobs))


def musl_series(patches: Path) -> tuple[Path, ...]:
    """The patches that a series folder's ``series`` file names, in order; none without that file."""
    try:
        text = (patches / "series").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(patches / name for name in names if name)


def _make(
    space: Workspace, spec: ToolchainSpec, tarball: Path, headers: Path, series: Sequence[Path], jobs: int
) -> None:
    source, trap, gate = (space.scratch / name for name in ("musl", "trap", "gate"))
    require_intact(tarball, spec.sha256)
    unpack(tarball, source)
    configure = ("../musl/configure", "--prefix=", "--disable-shared", "CC=gcc")
    commands: list[tuple[Path, Sequence[str | Path]]] = [
        *((source, ("patch", "-p1", "--fuzz=0", "-i", patch)) for patch in series),
        (trap, (*configure, f"CFLAGS={_MUSL_CFLAGS}")),
        (trap, ("make", f"-j{jobs}")),
        # By a relative path: make takes a path with spaces for several.
        (trap, ("make", "install", "DESTDIR=../installed")),
        (trap, ("cp", "-R", "--no-target-directory", "../installed", space.out)),
        (trap, ("cp", "-R", "--no-target-directory", headers / "include", space.out / "include")),
    ]
    if series:
        commands += [
            (gate, (*configure, f"CFLAGS={_GATE_CFLAGS}")),
            (gate, ("make", f"-j{jobs}", "lib/libc.a")),
            (gate, ("install", "-D", "--mode=644", "lib/libc.a", space.out / "lib/gate/libc.a")),
        ]
    sandbox = sandbox_of(space)
    compilers = wrap_compiler(space.scratch / "compilers", space.compiler_cache)
    env = clean_environment(PATH=f"{compilers}:{os.environ.get('PATH', os.defpath)}")
    for folder, command in commands:
        folder.mkdir(exist_ok=True)
        space.step.detail(" ".join(map(str, command[:2])))
        run(command, cwd=folder, env=env, log=space.log, sandbox=sandbox)
    # musl's own wrapper names its prefix; ours takes its place.
    for leftover in ("bin/musl-gcc", "lib/musl-gcc.specs"):
        (space.out / leftover).unlink(missing_ok=True)
    _add_programs(space.out)


def _add_programs(prefix: Path) -> None:
    write_atomically(prefix / "lib" / "musl.specs", (_DATA / "musl.specs").read_bytes())
    compiler = (_DATA / "compiler.sh").read_bytes()
    for name in ("gcc", "cc"):
        write_atomically(prefix / "bin" / f"{PREFIX}{name}", compiler, mode=0o755)
    write_atomically(prefix / "libexec" / "ld", (_DATA / "linker.sh").read_bytes(), mode=0o755)
    for name in _COMPANIONS:
        write_atomically(prefix / "bin" / f"{PREFIX}{name}", f'#!/bin/sh\nexec {name} "$@"\n', mode=0o755)
