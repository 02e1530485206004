# SPDX-License-Identifier: GPL-2.0-only
"""A manifest for a program that has none, to be edited."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import MANIFEST_FILE, load_app
from unilinux.app.manifest import NAME_PATTERN
from unilinux.app.proposal import is_program, propose_program
from unilinux.core.errors import UsageError
from unilinux.core.files import explained_disk_errors, write_atomically
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The manifest that was written, and what ``--app`` names it by."""

    path: Path
    option: str

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"path": str(self.path), "app": self.option}


def new(here: Workshop, name: str, program: str) -> Proposed:
    """Write a manifest for a program to ``apps/NAME/app.toml``, or to the folder that ``name`` is the path of.

    :raise UsageError: there is a manifest already, the name can't be one, or the program is no ELF file.
    :raise BuildError: it is no program for this processor, or something that it needs is missing.
    :raise HostError: the folder can't be written.
    """
    inside = "/" not in name
    folder = here.layout.apps / name if inside else Path(name).absolute()
    path = folder / MANIFEST_FILE
    if path.exists():
        raise UsageError(f"{path} exists already", hint="choose another name, or remove it first")
    place = program if "/" in program else f"./{program}"
    if not is_program(place):
        raise UsageError(f"{program} is no ELF program", hint="--from takes the path of a program of this host")
    if not re.fullmatch(NAME_PATTERN, folder.name):
        raise UsageError(
            f"{folder.name!r} can't be the name of an application", hint="small letters, digits and '-', a letter first"
        )
    text = propose_program(Path(place), folder.name)
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    load_app(folder)
    return Proposed(path=path, option=name if inside else str(folder))
