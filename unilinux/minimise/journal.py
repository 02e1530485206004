"""What was tried already, kept so that no configuration is ever tried twice."""

from __future__ import annotations

import json
import os
from pathlib import Path

from unilinux.core.files import explained_disk_errors
from unilinux.minimise.result import TrialResult


class Journal:
    """Verdicts by the digest of the configuration, a JSON line each.

    ``context`` stands for all else that a result depends on: the kernel tree, the
    application, its checks. Verdicts of other contexts stay in the file and count for
    nothing. A line that a dying process left half-written is passed over.

    :raise HostError: the file can't be read.
    """

    def __init__(self, path: Path, context: str) -> None:
        self._path = path
        self._context = context
        self._results = dict(_read(path, context))

    def __len__(self) -> int:
        return len(self._results)

    def find(self, digest: str) -> TrialResult | None:
        """The result for a configuration, if it was tried."""
        return self._results.get(digest)

    def add(self, digest: str, result: TrialResult, label: str) -> None:
        """Keep a result; it is on the disk when this returns. ``label`` is for people who read the file.

        :raise HostError: the disk is full.
        """
        self._results[digest] = result
        entry = {"context": self._context, "config": digest, "label": label, **result.to_json()}
        with explained_disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # On a line of its own even behind one that was cut off.
            start = b"" if _ends_whole(self._path) else b"\n"
            with self._path.open("ab", buffering=0) as file:
                file.write(start + json.dumps(entry, sort_keys=True).encode() + b"\n")
                os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(path: Path, context: str) -> list[tuple[str, TrialResult]]:
    found: list[tuple[str, TrialResult]] = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            entry = json.loads(line)
            if entry["context"] == context:
                found.append((entry["config"], TrialResult.from_json(entry)))
        except (ValueError, KeyError, TypeError):
            continue
    return found
