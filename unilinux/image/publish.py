# SPDX-License-Identifier: GPL-2.0-only
"""The finished image's folder: what users copy away, boot and compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unilinux.core.files import copy_atomically, digest_file, explained_disk_errors, write_atomically
from unilinux.core.locks import locked
from unilinux.image.record import ARTIFACTS, RECORD_FILE, REWRITTEN_FILE
from unilinux.kconfig.resolved import RESOLVED_FILE, Resolved
from unilinux.kernel.link import BZIMAGE

_LOCK = ".lock"


def publish(
    files: Mapping[str, Path],
    resolved: Resolved,
    record: Mapping[str, Any],
    folder: Path,
    *,
    rewritten: Sequence[Mapping[str, Any]] = (),
    waiting: Callable[[], None] = lambda: None,
) -> Path:
    """Bring ``folder`` up to date; files that are right already aren't written again.

    Where anything changes, ``image.json`` goes first and comes last, so that it never describes other
    files than those beside it. Of several runs that publish to one folder, each waits for the one before.

    :param files: the artefacts by their names in :data:`ARTIFACTS`. One that isn't among them is removed.
    :param rewritten: what became of each system call of the files that were rewritten, if there are any.
    :param waiting: called when another run is publishing there.
    :raise HostError: the disk is full or read-only; each file is either old or new.
    """
    texts = {
        RESOLVED_FILE: json.dumps(resolved.to_json(), indent=1, sort_keys=True) + "\n",
        **({REWRITTEN_FILE: json.dumps(rewritten, indent=1) + "\n"} if rewritten else {}),
        RECORD_FILE: json.dumps(record, indent=2) + "\n",
    }
    with explained_disk_errors(folder), locked(folder / _LOCK, waiting):
        stale = [name for name in files if not _is(folder / ARTIFACTS[name], record["artifacts"][name])]
        surplus = [folder / file for name, file in ARTIFACTS.items() if name not in files]
        surplus += [] if rewritten else [folder / REWRITTEN_FILE]
        if stale or any(path.exists() for path in surplus) or not _reads(folder / RECORD_FILE, texts[RECORD_FILE]):
            (folder / RECORD_FILE).unlink(missing_ok=True)
        for path in surplus:
            path.unlink(missing_ok=True)
        for name in stale:
            copy_atomically(files[name], folder / ARTIFACTS[name])
        for file, text in texts.items():
            if not _reads(folder / file, text):
                write_atomically(folder / file, text)
    return folder


def has_bzimage(folder: Path, vmlinux: Path) -> bool:
    """Whether a folder has the bzImage of this vmlinux: then it stays."""
    try:
        artifacts = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))["artifacts"]
        return BZIMAGE in artifacts and _is(vmlinux, artifacts["vmlinux"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a file is the one that a record describes."""
    return path.is_file() and path.stat().st_size == wanted["size"] and digest_file(path) == wanted["sha256"]


def _reads(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text
