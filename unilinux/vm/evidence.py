# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a boot: a folder of its own, with its logs and a file that tells what it was."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from unilinux.core.files import remove_tree
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import End
from unilinux.vm.report import Report

BOOT_FILE = "boot.json"

_KEPT = 5  # folders of each kind
_LOCK_FILE = "in-use"
_UNUSED_S = 3600.0  # how long a folder may wait for its boot
# The shortest kind that fits: the random end of a name may consist of decimal digits alone.
_NAME = re.compile(r"(?P<kind>.+?)-(?:\d{8}T\d{6}Z-[0-9a-f]{6}|\d+)")


def evidence_folder(runs: Path, kind: str) -> Path:
    """A new folder in ``runs`` for the evidence of one boot: ``verify-20261127T073501Z-c0ffee``.

    Of each kind only the newest few are kept. One whose machine still runs is never removed,
    whichever process runs it, nor one that was made just now.

    :raise OSError: it can't be made.
    """
    runs.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    mine = runs / f"{kind}-{stamp}-{secrets.token_hex(3)}"
    mine.mkdir()
    others = [path for path in runs.iterdir() if path != mine and _is_of(path.name, kind)]
    others.sort(key=_age)
    for folder in others[: max(0, len(others) - _KEPT + 1)]:
        _remove_unless_used(folder)
    return mine


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Within the ``with`` block nobody removes the folder. The kernel ends that with the process, if nothing else does.

    :raise OSError: the file that is locked can't be made.
    """
    descriptor = os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _is_of(name: str, kind: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and found["kind"] == kind


def _remove_unless_used(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not (folder / BOOT_FILE).exists() and time.time() - _age(folder) < _UNUSED_S:
            return  # its boot is about to begin
        descriptor = os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)


def _age(folder: Path) -> float:
    """When something was last put into it (seconds since 1970)."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def write_boot_file(
    boot: Boot, engine: Engine, *, version: str, seconds: float, report: Report, outcome: End | None, killed: bool
) -> None:
    """Write what was booted, by what, and how that ended: ``boot.json``.

    ``outcome`` is None while the machine runs; ``killed``: it was ended by us. Nothing
    happens when the disk is full: the other evidence is as good without this.
    """
    document = {
        "engine": engine.name,
        "version": version,
        "reason": engine.reason,
        "abilities": engine.abilities.document(),
        **boot.document(),
        "seconds": round(seconds, 3),
        "report": asdict(report),
        "outcome": None if outcome is None else {"kind": type(outcome).__name__, **asdict(outcome)},
        "killed": killed,
    }
    try:
        (boot.evidence / BOOT_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError:
        pass
