"""Building an application from source: its manifest's steps, run with the tool chain."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from unilinux.app.catalogue import App
from unilinux.arch.architecture import X86_64
from unilinux.core.command import run
from unilinux.core.errors import BuildError, CommandError
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.elf.file import is_elf
from unilinux.fetch.unpack import unpack

_CFLAGS = "-O2"

# The tool chain links each program twice; this ends the name of the one whose system calls go through the gate.
GATE_SUFFIX = ".gate"
# The folder of an application's output with its programs before they were stripped of their symbols.
SYMBOLS = ".symbols"
# The moment that builds are told to be at: that of no build, so that all agree.
_EPOCH_S = 0
_ERROR_LINES = 40


def build_app(app: App, *, tarballs: Mapping[str, Path], toolchain: Output, store: Store, jobs: int) -> Output:
    """The files that the manifest takes from the build, named as in the build folder, stripped.

    :data:`SYMBOLS` has the same programs with their symbols: the image has no use for those, who looks into it has.

    :param tarballs: the source's tarballs, verified, by the name that the manifest gives them.
    :raise BuildError: a step failed (``details`` has the compiler's lines), or left out a file.
    """
    manifest = app.manifest
    source = manifest.source
    extra = {tarball.name: tarball.file for tarball in source.extra} if source.kind == "debian" else {}
    step = Step(
        name=f"app-{manifest.name}",
        label=f"building {manifest.name} {manifest.version}",
        spec={
            "steps": manifest.build.steps,
            "files": manifest.built_files,
            "extra": extra,
            "cflags": _CFLAGS,
            "epoch": _EPOCH_S,
        },
        inputs={
            "toolchain": toolchain.digest,
            **{f"tarball:{tarball.file}": tarball.sha256 for tarball in source.tarballs},
        },
        files={f"local:{name}": app.folder / name for name in source.files},
    )
    return store.run(step, lambda space: _make(space, app, tarballs, toolchain.path, jobs))


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


def _make(space: Workspace, app: App, tarballs: Mapping[str, Path], toolchain: Path, jobs: int) -> None:
    folder = space.scratch / "build"
    _lay_out(app, tarballs, folder)
    env = _environment(toolchain, folder, space.scratch, jobs)
    for command in app.manifest.build.steps:
        space.step.detail(command)
        lines: list[str] = []
        try:
            run(["sh", "-eu", "-c", command], cwd=folder, env=env, log=space.log, on_line=lines.append)
        except CommandError as error:
            raise BuildError(
                f"{app.manifest.name}: the build step failed: {command}",
                details=compiler_lines(lines) or error.tail,
                hint=f"the whole output is in {space.log}",
            ) from error
    _collect(app, folder, space, toolchain)


def _lay_out(app: App, tarballs: Mapping[str, Path], folder: Path) -> None:
    source = app.manifest.source
    if source.kind == "debian":
        unpack(tarballs[source.file], folder)
        for tarball in source.extra:
            unpack(tarballs[tarball.file], folder / tarball.name)
    for name in source.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(app.folder / name, folder / name)


def _environment(toolchain: Path, folder: Path, home: Path, jobs: int) -> dict[str, str]:
    programs = {"CC": "gcc", "AR": "ar", "NM": "nm", "RANLIB": "ranlib", "STRIP": "strip"}
    return {
        **{variable: X86_64.tool_prefix + program for variable, program in programs.items()},
        "PATH": f"{toolchain / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "CFLAGS": _CFLAGS,
        "LDFLAGS": "-static",
        "JOBS": str(jobs),
        "SOURCE_DATE_EPOCH": str(_EPOCH_S),
        "LC_ALL": "C",
        "HOME": str(home),
        "UNILINUX_BUILD_FOLDER": str(folder),
    }


def _collect(app: App, folder: Path, space: Workspace, toolchain: Path) -> None:
    missing = [name for name in app.manifest.built_files if not (folder / name).is_file()]
    if missing:
        raise BuildError(
            f"{app.manifest.name}: the build ended well but did not make {', '.join(missing)}",
            hint=f"see files and build.steps in {app.path}; the build's output is in {space.log}",
        )
    linked_twice = [
        name + GATE_SUFFIX for name in app.manifest.built_files if (folder / (name + GATE_SUFFIX)).is_file()
    ]
    for name in (*app.manifest.built_files, *linked_twice):
        target = space.out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, target)
        if is_elf(target):
            strip = toolchain / "bin" / f"{X86_64.tool_prefix}strip"
            symbols = space.out / SYMBOLS / name
            symbols.parent.mkdir(parents=True, exist_ok=True)
            run([strip, "--strip-debug", "--remove-section=.comment", "-o", symbols, target], log=space.log)
            run([strip, "--strip-all", "--remove-section=.comment", target], log=space.log)
