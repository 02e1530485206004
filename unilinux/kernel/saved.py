# SPDX-License-Identifier: GPL-2.0-only
"""What kbuild notes of a finished build, and running parts of it again by these notes.

To find out that there is nothing to be done takes the kernel's top Makefile some 3 s of CPU time. Linking
with other files knows what is to be done: the makes of a few folders, and commands that kbuild saved
beside what they made. All they lack is the environment that the top Makefile exports, so it is noted, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unilinux.core.errors import BuildError
from unilinux.core.events import StepHandle
from unilinux.core.sandbox import Sandbox
from unilinux.kernel.make import OBJECTS, make, make_environment, run_make

NOTES = "notes.json"  # beside the folder of objects

_DUMP = "environment"
_MAKEFILE = f"""\
.PHONY: unilinux-environment
unilinux-environment:
\t@env --null > {_DUMP}
"""
# What is the running make's own, or the place's. The jobs of a make that has ended can't be shared.
_NOT_KEPT = frozenset(("PWD", "OLDPWD", "SHLVL", "_", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "TMPDIR"))
_SAVED = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What it takes to build parts of a finished output folder again, without its top Makefile.

    ``environment`` is what the Makefile exports, ``folders`` are those in which the files
    that were asked for are used.
    """

    environment: Mapping[str, str]
    folders: tuple[str, ...]

    @classmethod
    def read(cls, output: Path) -> Notes:
        """Those that :func:`take_notes` left in a step's output."""
        found = json.loads((output / NOTES).read_text(encoding="utf-8"))
        return cls(environment=found["environment"], folders=tuple(found["folders"]))


def take_notes(
    place: Path, files: Iterable[str], *, tools: Path, log: Path, step: StepHandle, sandbox: Sandbox | None = None
) -> None:
    """Write down what a later link needs to know of the output folder in ``place``, for links with other ``files``.

    :raise BuildError: make said no.
    """
    objects = place / OBJECTS
    makefile = objects / f"{_DUMP}.mk"
    makefile.write_text(_MAKEFILE)
    options = [f"--file={makefile.name}"]
    make(
        place,
        ["unilinux-environment"],
        options=options,
        tools=tools,
        log=log,
        step=step,
        label="kbuild",
        sandbox=sandbox,
    )
    before = make_environment(tools)
    pairs = (line.partition("=") for line in (objects / _DUMP).read_text().split("\0") if line)
    after = {name: value for name, _, value in pairs}
    exported = {
        name: after[name] for name in sorted(after) if name not in _NOT_KEPT and before.get(name) != after[name]
    }
    for path in (makefile, objects / _DUMP):
        path.unlink()
    content = {"environment": exported, "folders": sorted(_folders_with(objects, tuple(files)))}
    (place / NOTES).write_text(json.dumps(content, indent=1) + "\n")


def _folders_with(objects: Path, files: Sequence[str]) -> Iterable[str]:
    """The folders below ``objects`` in which a saved command or its dependencies name one of these files."""
    names = [re.compile(rf"(?<![\w./-]){re.escape(name)}(?![\w.-])") for name in files]
    found = set()
    for folder, _, entries in os.walk(objects):
        for entry in entries:
            if entry.endswith(".cmd"):
                text = Path(folder, entry).read_text(errors="replace")
                if any(name.search(text) for name in names):
                    found.add(os.path.relpath(folder, objects))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBuild:
    """A finished output folder to be built on in parts: ``objects`` is where, ``environment`` what commands see."""

    objects: Path
    environment: Mapping[str, str]
    log: Path
    step: StepHandle
    label: str
    sandbox: Sandbox | None = None

    def make_in(self, folder: str, *goals: str) -> None:
        """Bring a folder up to date: its objects and their archive, or just ``goals``.

        :raise BuildError: with the compiler's own lines.
        """
        jobs = f"--jobs={len(os.sched_getaffinity(0))}"
        wanted = goals or ("need-builtin=1",)
        self._run(["make", jobs, "--file=../scripts/Makefile.build", f"obj={folder}", *wanted])

    def make_with(self, makefile: str) -> None:
        """Run one of the Makefiles in the kernel's ``scripts/``.

        :raise BuildError: with the tool's own lines.
        """
        self._run(["make", f"--file=../scripts/{makefile}"])

    def again(self, target: str) -> None:
        """Run the command that made ``target`` once more.

        :raise BuildError: with the tool's own lines, or there is no such command.
        """
        folder, name = os.path.split(target)
        saved = self.objects / folder / f".{name}.cmd"
        found = _SAVED.search(saved.read_text(encoding="utf-8")) if saved.exists() else None
        if found is None:
            raise BuildError(f"{self.label} failed", details=(f"kbuild has left no command for {target}",))
        self._run(["sh", "-e", "-c", found[1].replace("$(pound)", "#").replace("$$", "$")])

    def has_command(self, target: str) -> bool:
        """Whether there is a saved command for ``target``."""
        folder, name = os.path.split(target)
        return (self.objects / folder / f".{name}.cmd").exists()

    def _run(self, argv: Sequence[str]) -> None:
        run_make(
            argv,
            cwd=self.objects,
            env=self.environment,
            log=self.log,
            step=self.step,
            label=self.label,
            sandbox=self.sandbox,
        )


def saved_build(
    notes: Notes,
    place: Path,
    *,
    tools: Path,
    log: Path,
    step: StepHandle,
    label: str,
    sandbox: Sandbox | None = None,
) -> SavedBuild:
    """The output folder in a view, to be built on in parts."""
    environment = {**make_environment(tools), **notes.environment, "MAKEFLAGS": "rR --no-print-directory"}
    return SavedBuild(
        objects=place / OBJECTS, environment=environment, log=log, step=step, label=label, sandbox=sandbox
    )


def mirror(source: Path, target: Path, *, own: Collection[str]) -> None:
    """Make ``target`` look like ``source``: links to its folders, but copies of the files and folders to be changed.

    :param own: folders, relative, of which everything is copied. In folders above them the files are copied.
    """
    parents = {str(parent) for folder in own for parent in PurePosixPath(folder).parents}
    _mirror(source, target, PurePosixPath(), parents, frozenset(own))


def _mirror(source: Path, target: Path, below: PurePosixPath, above: Collection[str], own: Collection[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(source):
        name, to = below / entry.name, target / entry.name
        if entry.is_symlink():
            to.symlink_to(os.readlink(entry.path))
        elif not entry.is_dir():
            _copy_file(entry.path, to)
        elif str(name) in own:
            shutil.copytree(entry.path, to, symlinks=True, copy_function=_copy_file)
        elif str(name) in above:
            _mirror(Path(entry.path), to, name, above, own)
        else:
            to.symlink_to(entry.path)


def _copy_file(source: str, target: str | Path) -> None:
    """A writable copy; make goes by its time."""
    shutil.copy2(source, target)
    os.chmod(target, os.stat(target).st_mode | stat.S_IWUSR)
