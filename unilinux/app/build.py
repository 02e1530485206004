# SPDX-License-Identifier: GPL-2.0-only
"""Building an application: its source laid out, its manifest's steps run with the tool chain, its files collected."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from unilinux.app.built import GATE, SYMBOLS, TRAP, Built
from unilinux.app.catalogue import App
from unilinux.arch.architecture import X86_64
from unilinux.core.command import run
from unilinux.core.compilers import wrap_compiler
from unilinux.core.errors import BuildError, CommandError
from unilinux.core.files import digest_bytes, digest_file
from unilinux.core.hosttools import BUILDER, COMPILER, UNPACKER
from unilinux.core.sandbox import sandbox_of
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.tree import Tree
from unilinux.elf.file import is_elf
from unilinux.sources.hostfiles import copy
from unilinux.sources.source import Materials
from unilinux.sources.tools import tools_folder

_CFLAGS = "-O2"

# The moment that builds are told to be at: that of no build, so that all agree.
_EPOCH_S = 0
_ERROR_LINES = 40


def build_app(
    app: App, materials: Materials, *, toolchain: Output | None, store: Store, jobs: int, tools: Output | None = None
) -> Output:
    """What the manifest takes from the source and from the build: see :class:`unilinux.app.built.Built`.

    Built programs are stripped; copies of them with their symbols are kept beside.

    :param toolchain: what the build steps compile with; None for an application that isn't built.
    :param tools: the folder of further programs that they call, and its digest (:mod:`unilinux.sources.tools`).
    :raise BuildError: a step failed (``details`` has the compiler's lines), or left out a file.
    """
    manifest = app.manifest
    steps = manifest.build.steps if manifest.build else ()
    step = Step(
        name=f"app-{manifest.name}",
        label=f"building {manifest.name} {manifest.version}" if steps else f"laying out {manifest.name}",
        spec={
            "source": dict(materials.spec),
            "steps": steps,
            "files": manifest.built_files,
            "source_files": manifest.source_files,
            "cflags": _CFLAGS,
            "epoch": _EPOCH_S,
        },
        inputs={
            **({"toolchain": toolchain.digest} if toolchain else {}),
            **({"tools": tools.digest} if tools else {}),
            **materials.inputs,
        },
        files=materials.files,
        tools=(*UNPACKER, *COMPILER, *BUILDER) if steps else UNPACKER,
    )
    folders = (toolchain.path if toolchain else None, tools_folder(tools) if tools else None)
    return store.run(step, lambda space: _make(space, app, materials, *folders, jobs))


def compiler_lines(output: Sequence[str]) -> tuple[str, ...]:
    """What a compiler, linker or configure script complained about, with the source lines it showed."""
    found: list[str] = []
    following = 0
    for line in output:
        if re.search(r"\b(error|ERROR) *:|undefined reference|multiple definition|cannot find -l|: not found", line):
            following = 2
        elif following and re.match(r" +(\d+ )?\|", line):
            following -= 1
        else:
            following = 0
            continue
        found.append(line)
    return tuple(found[:_ERROR_LINES])


def _make(
    space: Workspace, app: App, materials: Materials, toolchain: Path | None, tools: Path | None, jobs: int
) -> None:
    folder = space.scratch / "build"
    _take_source(app, materials.lay_out(folder), folder, space)
    if app.manifest.build is None or toolchain is None:
        return
    links = space.scratch / "links"
    links.mkdir()
    compilers = wrap_compiler(space.scratch / "compilers", space.compiler_cache)
    env = _environment(app, (toolchain / "bin", compilers), tools, folder, links, jobs)
    sandbox = sandbox_of(space)
    for command in app.manifest.build.steps:
        space.step.detail(command)
        lines: list[str] = []
        try:
            run(["sh", "-eu", "-c", command], cwd=folder, env=env, log=space.log, on_line=lines.append, sandbox=sandbox)
        except CommandError as error:
            raise BuildError(
                f"{app.manifest.name}: the build step failed: {command}",
                details=compiler_lines(lines) or error.tail,
                hint=f"the whole output is in {space.log}",
            ) from error
    _collect(app, folder, links, space, toolchain)


def _take_source(app: App, tree: Tree, folder: Path, space: Workspace) -> None:
    """Keep what the manifest takes from the source, before build steps can change it."""
    names = app.manifest.source_files
    missing = [name for name in names if not os.path.lexists(folder / name)]
    if missing:
        raise BuildError(
            f"{app.manifest.name}: its source has no {', '.join(missing)}", hint=f"see source and files in {app.path}"
        )
    if names:
        built = Built(space.out)
        for name in names:
            copy(folder / name, built.source / name)
        built.write_source(tree)


def _environment(
    app: App, own: Sequence[Path], tools: Path | None, folder: Path, links: Path, jobs: int
) -> dict[str, str]:
    programs = {"CC": "gcc", "AR": "ar", "NM": "nm", "RANLIB": "ranlib", "STRIP": "strip"}
    return {
        **{variable: X86_64.tool_prefix + program for variable, program in programs.items()},
        **({"PACKAGES": str(tools)} if tools else {}),
        "PATH": os.pathsep.join(
            (*map(str, own), *([f"{tools}/usr/bin"] if tools else []), os.environ.get("PATH", os.defpath))
        ),
        "CFLAGS": _CFLAGS,
        "LDFLAGS": "-static",
        "JOBS": str(jobs),
        "SOURCE_DATE_EPOCH": str(_EPOCH_S),
        "LC_ALL": "C",
        "HOME": str(folder.parent),
        "UNILINUX_BUILD_FOLDER": str(folder),
        "UNILINUX_LINKS": str(links),
        "UNILINUX_PROGRAMS": f"/{'/'.join(Path(name).name for name in app.manifest.built_files)}/",
    }


def _collect(app: App, folder: Path, links: Path, space: Workspace, toolchain: Path) -> None:
    missing = [name for name in app.manifest.built_files if not (folder / name).exists()]
    if missing:
        raise BuildError(
            f"{app.manifest.name}: the build ended well but did not make {', '.join(missing)}",
            hint=f"see files and build.steps in {app.path}; the build's output is in {space.log}",
        )
    built = Built(space.out)
    for name in app.manifest.built_files:
        copy(folder / name, built.path(name))
        for file in _files(built.path(name)):
            if is_elf(file):
                program = file.relative_to(space.out).as_posix()
                for_gate = _linked_for_gate(folder / program, links)
                if for_gate is not None:
                    copy(for_gate, built.variant(program, GATE))
                _strip(built, program, space, toolchain)


def _files(origin: Path) -> list[Path]:
    found = sorted(origin.rglob("*")) if origin.is_dir() else [origin]
    return [path for path in found if path.is_file() and not path.is_symlink()]


def _linked_for_gate(program: Path, links: Path) -> Path | None:
    """What the tool chain's linker made of a program for the gate: see ``redirect/data/linker.sh``."""
    for key in (digest_file(program), digest_bytes(os.fsencode(f"{program.resolve()}\n"))):
        if (links / key).is_file():
            return (links / key).resolve()
    return None


def _strip(built: Built, name: str, space: Workspace, toolchain: Path) -> None:
    strip = toolchain / "bin" / f"{X86_64.tool_prefix}strip"
    for way in (TRAP, GATE):
        target = built.variant(name, way)
        if target.is_file():
            symbols = space.out / SYMBOLS / target.relative_to(space.out)
            symbols.parent.mkdir(parents=True, exist_ok=True)
            run([strip, "--strip-debug", "--remove-section=.comment", "-o", symbols, target], log=space.log)
            run([strip, "--strip-all", "--remove-section=.comment", target], log=space.log)
