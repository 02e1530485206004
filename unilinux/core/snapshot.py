# SPDX-License-Identifier: GPL-2.0-only
"""Files of the host that a step reads: digested before, and seen to be the same when it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.errors import HostError
from unilinux.core.files import digest_file, digest_tree, sorted_tree

_TICK_NS = 50_000_000  # within the same tick of a file system's clock a change can't be seen by times
_Signature = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files and folders by their roles, as they were when :func:`snapshot` read them."""

    paths: Mapping[str, Path]
    digests: Mapping[str, str]
    signatures: Mapping[str, _Signature]
    taken_ns: int

    def require_unchanged(self) -> None:
        """See that all are still as they were, and were all the time.

        Sizes and times tell, the time of the inode's last change among them, which no program can set. What
        had been changed just before the snapshot is read once more.

        :raise HostError: one was changed.
        """
        for role, path in self.paths.items():
            try:
                before, now = self.signatures[role], _signature(path)
                same = before == now
                if same and max(one[-1] for one in now) > self.taken_ns - _TICK_NS:
                    same = _digest(path) == self.digests[role]
            except OSError:
                same = False
            if not same:
                raise HostError(
                    f"{path} was changed while it was being used; nothing made of it was kept",
                    hint="run the same command again",
                )


def snapshot(paths: Mapping[str, Path]) -> Snapshot:
    """Read and digest these files and folders.

    :raise OSError: one can't be read.
    """
    taken_ns = time.time_ns()
    signatures = {role: _signature(path) for role, path in paths.items()}
    return Snapshot(dict(paths), {role: _digest(path) for role, path in paths.items()}, signatures, taken_ns)


def _digest(path: Path) -> str:
    return digest_tree(path) if path.is_dir() else digest_file(path)


def _signature(path: Path) -> _Signature:
    paths = (path, *(sorted_tree(path) if path.is_dir() else ()))
    return tuple(_stamp(os.stat(one, follow_symlinks=one is path)) for one in paths)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns)
