# SPDX-License-Identifier: GPL-2.0-only
"""Rewritten files, each made once: a step of the build."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.files import write_atomically
from unilinux.core.store import Step, Store, Workspace
from unilinux.redirect.decode import DISASSEMBLER
from unilinux.redirect.rewrite.report import Report
from unilinux.redirect.rewrite.rewriter import rewrite

_FILE, _REPORT = "file", "report.json"


@dataclass(frozen=True, slots=True)
class RewrittenFile:
    """A file to use in place of another one; the same file if there was nothing to do."""

    path: Path
    report: Report


def rewrite_file(path: Path, *, name: str, cancelled: bool, store: Store) -> RewrittenFile:
    """Rewrite the system calls of an ELF file.

    :param name: its path in the image.
    :param cancelled: threads of the processes that use it may be cancelled.
    :raise BuildError: it is damaged, or none of 64 bits.
    """
    step = Step(
        name="rewrite",
        label=f"rewriting the system calls of {name}",
        spec={"name": name, "cancelled": cancelled, "disassembler": DISASSEMBLER},
        files={"program": path},
    )
    output = store.run(step, lambda space: _make(space, path, name, cancelled=cancelled))
    made = output.path / _FILE
    report = Report.from_json(json.loads((output.path / _REPORT).read_text(encoding="utf-8")))
    return RewrittenFile(made if made.exists() else path, report)


def _make(space: Workspace, path: Path, name: str, *, cancelled: bool) -> None:
    content = path.read_bytes()
    made = rewrite(content, name, cancelled=cancelled)
    write_atomically(space.out / _REPORT, json.dumps(made.report.to_json(), indent=1) + "\n")
    if made.content != content:
        write_atomically(space.out / _FILE, made.content)
