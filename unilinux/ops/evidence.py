"""Where the logs of boots go."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unilinux.core.files import remove_tree

_KEPT_RUNS = 5


def evidence_folder(image: Path, kind: str) -> Path:
    """The folder for the logs of this process's boots of an image, by kind: ``runs/verify-1234``.

    Of other processes' boots of that kind only the latest few are kept: two commands
    may boot the same image, and remove old logs, at the same time.
    """
    mine = image / "runs" / f"{kind}-{os.getpid()}"
    others = [path for path in mine.parent.glob(f"{kind}-*") if path != mine and path.name[len(kind) + 1 :].isdecimal()]
    others.sort(key=_age)
    for folder in others[: max(0, len(others) - _KEPT_RUNS + 1)]:
        with contextlib.suppress(FileNotFoundError):
            remove_tree(folder)
    return mine


def _age(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
