# SPDX-License-Identifier: GPL-2.0-only
"""A patch series: a folder with ``BASE``, ``series`` and the patches that it lists.

Patches are ``git format-patch`` output, applied in the order of ``series`` and
with no fuzz. They are never edited by hand (``unilinux.kernel.worktree``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.core.command import run
from unilinux.core.document import Model, read_document
from unilinux.core.errors import CommandError, PatchError
from unilinux.core.files import digest_bytes
from unilinux.kernel.git import git_environment

BASE = "BASE"
SERIES = "series"

_NAME = re.compile(r"(\d{4})-[A-Za-z0-9._+-]+\.patch")
_FAILED = re.compile(r"^error: patch failed: (?P<file>.+):(?P<line>\d+)$|^error: (?P<other>.+)$")
_SHOWN_HUNK_LINES = 12


class Base(Model):
    """What the series was made on: a Debian binary package that holds the source."""

    package: str
    version: str


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a series."""

    name: str
    content: bytes = field(repr=False)

    @property
    def subject(self) -> str:
        """The first line of the commit message, without ``[PATCH]``."""
        found = re.search(r"^Subject: (.*(?:\n[ \t].*)*)", self._text, re.MULTILINE)
        unfolded = re.sub(r"\n[ \t]", " ", found[1]) if found else ""
        return re.sub(r"^\[PATCH[^]]*\] *", "", unfolded)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it changes, adds or removes, sorted."""
        names = re.findall(r"^(?:---|\+\+\+) [ab]/(.+?)\t?$", self._text, re.MULTILINE)
        return tuple(sorted(set(names)))

    def hunk(self, file: str, line: int) -> tuple[int, tuple[str, ...]]:
        """Number (from 1) and text of the hunk that changes ``file`` from the old ``line`` on."""
        number = 0
        here = False
        text = self._text.splitlines()
        for index, content in enumerate(text):
            if content.startswith("diff --git "):
                here, number = content.endswith(f" b/{file}"), 0
            elif here and (found := re.match(r"@@ -(\d+)", content)):
                number += 1
                if int(found[1]) == line:
                    end = index + 1
                    while (
                        end < len(text) and text[end][:1] in ("+", "-", " ", "\\") and end - index < _SHOWN_HUNK_LINES
                    ):
                        end += 1
                    return number, tuple(text[index:end])
        return 0, ()

    @property
    def _text(self) -> str:
        return self.content.decode(errors="replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A validated patch series. An empty one stands for the stock kernel."""

    name: str
    folder: Path
    base: Base
    patches: tuple[Patch, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the patches in their order: what decides the patched tree."""
        return digest_bytes("".join(digest_bytes(patch.content) for patch in self.patches).encode())

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the series touches, sorted."""
        return tuple(sorted({file for patch in self.patches for file in patch.files}))


def load_series(folder: Path) -> Series:
    """Read and validate a series.

    :raise ManifestError: ``BASE`` is missing or malformed.
    :raise PatchError: ``series`` is missing, or the folder has faults: all are listed.
    """
    base = read_document(folder / BASE, Base)
    try:
        listed = [line.split("#")[0].strip() for line in (folder / SERIES).read_text().splitlines()]
    except FileNotFoundError as error:
        raise PatchError(
            f"{folder} has no file named {SERIES!r}, which lists its patches in order", hint="./x patches.export"
        ) from error
    names = [name for name in listed if name]
    present = {path.name for path in folder.iterdir()} - {BASE, SERIES}
    patches = tuple(Patch(name, (folder / name).read_bytes()) for name in names if name in present)
    problems = [
        *(f"{name}: listed in {SERIES}, but there is no such file" for name in names if name not in present),
        *(f"{name}: not listed in {SERIES}" for name in sorted(present - set(names))),
        *(f"{name}: listed twice" for name in sorted({name for name in names if names.count(name) > 1})),
        *_misnumbered(names),
        *(problem for patch in patches for problem in _faults(patch)),
    ]
    if problems:
        raise PatchError(
            f"the patch series {folder} is not in order", details=problems, hint="./x patches.export writes it anew"
        )
    return Series(name=folder.name, folder=folder, base=base, patches=patches)


def _misnumbered(names: Iterable[str]) -> list[str]:
    problems = []
    for place, name in enumerate(names, start=1):
        found = _NAME.fullmatch(name)
        if not found or int(found[1]) != place:
            problems.append(f"{name}: patch {place} must be named {place:04d}-….patch")
    return problems


def _faults(patch: Patch) -> list[str]:
    head, _, body = patch.content.decode(errors="replace").partition("\n---\n")
    checks = {
        "has no Subject": patch.subject != "",
        "has no From": re.search(r"^From: \S", head, re.MULTILINE) is not None,
        "has no Signed-off-by": re.search(r"^Signed-off-by: .+ <.+>$", head, re.MULTILINE) is not None,
        "changes nothing": re.search(r"^diff --git ", body, re.MULTILINE) is not None,
    }
    return [f"{patch.name}: {fault}" for fault, fine in checks.items() if not fine]


def apply_series(series: Series, tree: Path, *, release: str, log: Path | None = None) -> None:
    """Apply every patch to ``tree``, with no fuzz; ``release`` says in errors which Linux it is.

    :raise PatchError: names the patch, the file and the hunk that doesn't fit.
    """
    # Not as part of a repository that the tree may lie in: git would skip files outside its folder.
    env = git_environment(GIT_CEILING_DIRECTORIES=str(tree.resolve().parent))
    for place, patch in enumerate(series.patches, start=1):
        try:
            run(["git", "apply", "-"], cwd=tree, env=env, input=patch.content, log=log)
        except CommandError as error:
            which = f"{place} of {len(series.patches)} in {series.name}"
            raise PatchError(
                f"patch {patch.name} ({which}) doesn't apply to Linux {release}",
                details=_rejections(patch, error.tail),
                hint=f"./x patches.port   (the series was made on {series.base.package} {series.base.version})",
            ) from error


def _rejections(patch: Patch, complaints: Iterable[str]) -> list[str]:
    """git's complaints, with the number and the text of each hunk that doesn't fit."""
    lines: list[str] = []
    for complaint in complaints:
        found = _FAILED.match(complaint)
        if found and found["file"]:
            number, text = patch.hunk(found["file"], int(found["line"]))
            lines += [f"{found['file']}: hunk {number}, at line {found['line']}, doesn't fit:", *text]
        elif found and not found["other"].endswith("patch does not apply"):
            lines.append(found["other"])
    return lines
