# SPDX-License-Identifier: GPL-2.0-only
"""The results of earlier trials, kept so that no configuration is tried twice."""

from __future__ import annotations

import json
from pathlib import Path

from unilinux.core.append import append_json_line, read_lines
from unilinux.minimise.result import TrialResult


class Journal:
    """Results by the digest of the configuration, a JSON line each.

    ``context`` stands for all else that a result depends on: the kernel tree, the
    application, its checks, the engine. Results of other contexts stay in the file and don't count.
    The file is read once: whoever makes a journal holds the lock of its folder.

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
        entry = {"context": self._context, "config": digest, "label": label, **result.to_json()}
        append_json_line(self._path, entry)
        self._results[digest] = result


def _read(path: Path, context: str) -> list[tuple[str, TrialResult]]:
    found: list[tuple[str, TrialResult]] = []
    for _, line in read_lines(path):
        try:
            entry = json.loads(line)
            if entry["context"] == context:
                found.append((entry["config"], TrialResult.from_json(entry)))
        except (ValueError, KeyError, TypeError):
            continue
    return found
