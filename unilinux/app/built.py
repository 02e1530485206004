# SPDX-License-Identifier: GPL-2.0-only
"""What a build left behind: files, and programs with a variant for each way to enter the kernel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from unilinux.core.files import write_atomically
from unilinux.core.tree import Directory, Entry, File, Symlink, Tree

TRAP, GATE = "trap", "gate"
"""By the SYSCALL instruction, as everywhere; by a call of UniLinux's gate."""

SYMBOLS = ".symbols"
"""The folder of a build's output with its programs before they were stripped of their symbols."""

_VARIANTS = {TRAP: "", GATE: ".gate"}
_SOURCE, _SOURCE_TREE = ".source", ".source.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that the tool chain linked. ``variants`` are its files by the way in which they enter the kernel."""

    name: str
    variants: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Built:
    """The output of an application's build, as a folder."""

    folder: Path

    def path(self, name: str) -> Path:
        """A file or folder that the manifest takes from the build."""
        return self.folder / name

    def variant(self, name: str, way: str) -> Path:
        """Where a program's variant is, whether or not there is one."""
        return self.folder / _VARIANTS[way] / name

    def program(self, name: str) -> Program:
        """A program of the build, with the variants that there are."""
        found = {way: self.variant(name, way) for way in _VARIANTS}
        return Program(name=name, variants={way: path for way, path in found.items() if path.is_file()})

    def calls_gate(self, file: Path) -> bool:
        """Whether a file is a program that was linked to call the gate."""
        return file.is_relative_to(self.folder / _VARIANTS[GATE])

    def symbols(self, file: Path) -> Path:
        """The copy of a file that has its symbols; the file itself if there is none."""
        if not file.is_relative_to(self.folder):
            return file
        copy = self.folder / SYMBOLS / file.relative_to(self.folder)
        return copy if copy.is_file() else file

    @property
    def source(self) -> Path:
        """The folder with what the manifest takes from the source as it is."""
        return self.folder / _SOURCE

    def write_source(self, tree: Tree) -> None:
        """Keep owners and modes, which a folder of the host can't have. Contents must lie in :attr:`source`."""
        entries = [_to_json(entry) for entry in tree.entries if not isinstance(entry, File) or self._has(entry)]
        write_atomically(self.folder / _SOURCE_TREE, json.dumps(entries, indent=1) + "\n")

    def source_entries(self, name: str, at: str) -> list[Entry]:
        """A file or folder of the source, with all that is in it, at a path of the guest."""
        listed = json.loads((self.folder / _SOURCE_TREE).read_text(encoding="utf-8"))
        # Below a folder only: "." is the whole source, and "/" the image's top, which is no entry of its own.
        root = "" if PurePosixPath(name) == PurePosixPath() else f"/{PurePosixPath(name)}"
        top = at.rstrip("/")
        return [
            self._from_json(entry, top + entry["path"].removeprefix(root))
            for entry in listed
            if entry["path"].startswith(f"{root}/") or (entry["path"] == root and top)
        ]

    def _has(self, entry: File) -> bool:
        return (self.source / entry.path.lstrip("/")).is_file()

    def _from_json(self, entry: Mapping[str, Any], at: str) -> Entry:
        owner = {"uid": entry["uid"], "gid": entry["gid"]}
        if entry["kind"] == "folder":
            return Directory(at, entry["mode"], **owner)
        if entry["kind"] == "link":
            return Symlink(at, entry["target"], **owner)
        return File(at, self.source / entry["path"].lstrip("/"), entry["mode"], **owner)


def _to_json(entry: Entry) -> dict[str, Any]:
    head = {"path": entry.path, "uid": entry.uid, "gid": entry.gid}
    if isinstance(entry, Symlink):
        return {**head, "kind": "link", "target": entry.target}
    return {**head, "kind": "folder" if isinstance(entry, Directory) else "file", "mode": entry.mode}
