# SPDX-License-Identifier: GPL-2.0-only
"""The image's programs and libraries that others have linked, made to call the gate as those of our tool chain do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.app.built import TRAP, Built
from unilinux.app.catalogue import App
from unilinux.app.files import INIT_PATH
from unilinux.core.errors import BuildError
from unilinux.core.store import Output, Store
from unilinux.core.tree import File, Tree
from unilinux.elf.file import is_elf, read_elf
from unilinux.image.entry import Entry
from unilinux.redirect.rewrite.cancellation import is_alone, may_cancel
from unilinux.redirect.rewrite.report import Report
from unilinux.redirect.rewrite.step import RewrittenFile, rewrite_file


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The files with what was rewritten, and what became of each file that had something."""

    files: Tree
    reports: tuple[Report, ...] = ()

    @property
    def replaced(self) -> Mapping[str, frozenset[int]]:
        """Where instructions of a file (by its path in the image) were that only the kernel should execute: HLT."""
        return {report.file: frozenset(halt.address for halt in report.halts) for report in self.reports}

    def to_json(self) -> list[dict[str, Any]]:
        """The part of ``image.json``."""
        return [
            {
                "file": report.file,
                **report.counts.to_json(),
                "halts": len(report.halts),
                "left_because": dict(report.reasons()),
                "untouched": report.untouched,
            }
            for report in self.reports
        ]


def rewrite_files(files: Tree, app: App, *, built: Output, entry: Entry, store: Store) -> Rewriting:
    """Rewrite what wasn't linked for the gate, if the image's programs call it.

    What is no ELF file of 64 bits, or a damaged one, stays as it is; a note says so.
    """
    if not entry.gated:
        return Rewriting(files)
    own = Built(built.path)
    foreign = {
        one.path: one.content
        for one in files.entries
        if isinstance(one, File) and isinstance(one.content, Path) and _is_foreign(one, app, own, entry)
    }
    # What is linked when it is started is in one process with whatever the image has.
    together = any(_cancels(path, alone=False) for path in foreign.values())
    made: dict[str, RewrittenFile] = {}
    for name, path in foreign.items():
        try:
            cancelled = together or _cancels(path, alone=True)
            made[name] = rewrite_file(path, name=name, cancelled=cancelled, store=store)
        except BuildError as error:
            store.progress.note(f"warning: {name} makes its system calls as ever: {error}")
    reports = [one.report for one in made.values()]
    entries = [
        replace(one, content=made[one.path].path) if isinstance(one, File) and one.path in made else one
        for one in files.entries
    ]
    return Rewriting(
        Tree.of(entries),
        tuple(report for report in reports if report.counts.found or report.halts or report.untouched),
    )


def _cancels(path: Path, *, alone: bool) -> bool:
    """Whether a file of that kind may cancel threads; one that can't be read doesn't."""
    try:
        elf = read_elf(path)
        return is_alone(elf) == alone and may_cancel(elf)
    except BuildError:
        return False


def _is_foreign(file: File, app: App, built: Built, entry: Entry) -> bool:
    """Whether a file is code that our tool chain didn't link for the gate, and that may be changed."""
    if not isinstance(file.content, Path) or file.path == INIT_PATH or built.calls_gate(file.content):
        return False
    listed = app.manifest.holder(file.path)
    asked_not_to = listed is not None and entry.way_of(listed) == TRAP
    return not asked_not_to and is_elf(file.content)
