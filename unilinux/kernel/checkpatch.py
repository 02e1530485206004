# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own style checker on our patches, and what it may say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from unilinux.core.command import run
from unilinux.core.document import Field, Model, read_document
from unilinux.core.errors import CommandError

TOLERATED = Path("patches/checkpatch.toml")  # below the project's folder


class Toleration(Model):
    """One type of message, in all patches or in the one of this name (without number and ``.patch``)."""

    type: str
    why: str
    patch: str | None = None


class _Document(Model):
    version_of_schema: Literal[1] = Field(alias="schema")
    tolerate: tuple[Toleration, ...] = ()


def read_tolerated(path: Path) -> tuple[Toleration, ...]:
    """Read ``patches/checkpatch.toml``; nothing is tolerated where there is none.

    :raise ManifestError: it doesn't hold.
    """
    return read_document(path, _Document).tolerate if path.exists() else ()


def checkpatch(
    patch: Path, *, tree: Path, tolerated: Sequence[Toleration], env: Mapping[str, str], log: Path
) -> list[str]:
    """What checkpatch.pl of a kernel ``tree`` has to say about a patch, but for what is tolerated."""
    name = re.sub(r"^\d+-|\.patch$", "", patch.name)
    ignored = sorted({entry.type for entry in tolerated if entry.patch in (None, name)})
    argv: list[str | Path] = [
        "perl",
        tree / "scripts/checkpatch.pl",
        "--strict",
        "--terse",
        "--show-types",
        "--no-summary",
    ]
    argv += [f"--root={tree}", *([f"--ignore={','.join(ignored)}"] if ignored else []), patch]
    try:
        run(argv, log=log, env=env)
    except CommandError as error:
        found = [line for line in error.tail if re.search(r": (ERROR|WARNING|CHECK):", line)]
        return [line.replace(f"{patch.parent}/", "") for line in found or error.tail]
    return []
