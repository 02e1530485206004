# SPDX-License-Identifier: GPL-2.0-only
"""Keeping a cache below a size: what was used longest ago goes first, and nothing that is in use.

What goes are outputs of the store, downloads, and the kernel objects of unfinished searches for a smaller kernel.
ccache, which removes objects by itself, is kept to a share. All else is small and only counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.ccache import ccache_bytes, trim_ccache
from unilinux.core.files import disk_bytes, remove_tree
from unilinux.core.layout import COMPILER_CACHE, DOWNLOADS, SEARCHES
from unilinux.core.leases import all_taken
from unilinux.core.locks import locked_if_free

LEASES = "leases"
META = "meta.json"
OUT = "out"
WORK = ".work"
ARRIVING = ".arriving"

_LOCK, _TRASH = ".lock", ".trash"
_KEPT_SHARE = 0.9  # of the limit: evicting once is enough for a while
_COMPILERS_SHARE = 0.25  # of the limit, for ccache
_PARTIAL = "partial"  # what is being downloaded
_BUILDER = "builder"  # a search's kernel objects, with a file "lock" in it
_UNFINISHED_S = 14 * 86400.0  # after this nobody goes on with an interrupted step
_FORMER_S = 2 * 86400.0  # after this nobody uses outputs of a former layout: their keys can't be found


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """What an eviction did, in bytes of disk space."""

    freed_bytes: int = 0
    kept_bytes: int = 0
    in_use: int = 0
    """How much stayed over the limit since running processes use it, as a number of outputs and the like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What may go: a finished output, an unfinished work folder, a download.

    ``name`` is what a lease of it says; ``lock`` is held by who makes it, None: nobody makes it in its place.
    """

    path: Path
    name: str
    used: float
    size_bytes: int
    lock: Path | None


def evict(root: Path, limit_bytes: int, *, cache: Path | None = None) -> Evicted:
    """Bring a store below its limit if it is above, and remove what killed processes left.

    With ``cache``, the folder that the store lies in, the limit is for all of that.
    May run beside builds and other evictions; of the latter one does the work.
    """
    if not root.is_dir():
        return Evicted()
    with locked_if_free(root / "eviction.lock") as free:
        if not free:
            return Evicted()
        for path in _leftovers(root):
            _remove_if_free(path, path.with_suffix(_LOCK))
        found, others = [*_entries(root)], 0
        if cache is not None:
            found += [*_downloads(cache), *_searches(cache)]
            others = _compilers_bytes(cache, limit_bytes) + _small_bytes(cache, root)
        entries = sorted(found, key=lambda entry: entry.used)
        total = sum(entry.size_bytes for entry in entries) + others
        goal = limit_bytes * _KEPT_SHARE if total > limit_bytes else total
        freed = in_use = 0
        now = time.time()
        for entry in entries:
            stale = entry.path.suffix == WORK and entry.used < now - _UNFINISHED_S
            if total - freed <= goal and not stale and entry.size_bytes:
                continue
            if _take_away(entry, root):
                freed += entry.size_bytes
            else:
                in_use += 1
        return Evicted(freed_bytes=freed, kept_bytes=total - freed, in_use=in_use)


def _folders(root: Path) -> Iterator[Path]:
    """All below the folders of the steps."""
    for step in root.iterdir():
        if step.is_dir() and step.name != LEASES:
            yield from step.iterdir()


def _leftovers(root: Path) -> Iterator[Path]:
    return (path for path in list(_folders(root)) if path.suffix in (_TRASH, ARRIVING, _LOCK))


def _entries(root: Path) -> Iterator[_Entry]:
    for path in _folders(root):
        lock = path.with_suffix(_LOCK)
        name = f"{path.parent.name}/{path.name}"
        with contextlib.suppress(OSError):  # it may vanish at any time
            if path.suffix == WORK:
                yield _Entry(path=path, name=name, used=path.stat().st_mtime, size_bytes=disk_bytes(path), lock=lock)
            elif not path.suffix:
                used = path.stat().st_mtime
                with contextlib.suppress(OSError):
                    used = (path / META).stat().st_mtime
                yield _Entry(path=path, name=name, used=used, size_bytes=_recorded_bytes(path, used), lock=lock)


def _downloads(cache: Path) -> Iterator[_Entry]:
    for path in _inside(cache / DOWNLOADS):
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.name != _PARTIAL:
                name, size = f"{DOWNLOADS}/{path.name}", 512 * status.st_blocks
                yield _Entry(path=path, name=name, used=status.st_mtime, size_bytes=size, lock=None)


def _searches(cache: Path) -> Iterator[_Entry]:
    for home in _inside(cache / SEARCHES):
        path = home / _BUILDER
        with contextlib.suppress(OSError):
            name, used, lock = f"{SEARCHES}/{home.name}", path.stat().st_mtime, path / "lock"
            yield _Entry(path=path, name=name, used=used, size_bytes=disk_bytes(path), lock=lock)


def _compilers_bytes(cache: Path, limit_bytes: int) -> int:
    """What ccache takes, brought to its share of the limit."""
    folder, share = cache / COMPILER_CACHE, int(limit_bytes * _COMPILERS_SHARE)
    size = ccache_bytes(folder)
    if size <= share:
        return size
    trim_ccache(folder, share)
    return ccache_bytes(folder)


def _small_bytes(cache: Path, root: Path) -> int:
    """What all else takes: apt's lists, logs, journals."""
    counted = {root, cache / DOWNLOADS, cache / COMPILER_CACHE, cache / SEARCHES}
    searches = (path for home in _inside(cache / SEARCHES) for path in _inside(home) if path.name != _BUILDER)
    size = 0
    for path in (*(one for one in _inside(cache) if one not in counted), *searches):
        with contextlib.suppress(OSError):
            size += disk_bytes(path) if path.is_dir() else 512 * path.lstat().st_blocks
    return size


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _recorded_bytes(home: Path, used: float) -> int:
    try:
        return int(json.loads((home / META).read_text())["disk_bytes"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged, or of a former layout: 0 makes it go
        return 0 if used < time.time() - _FORMER_S else 1


def _take_away(entry: _Entry, root: Path) -> bool:
    """Remove an entry unless it is in use; whether it is gone."""
    with locked_if_free(entry.lock) if entry.lock else contextlib.nullcontext(enter_result=True) as free:
        if not free:
            return False
        trash = entry.path.with_suffix(_TRASH)
        remove_tree(trash)
        with all_taken(root / LEASES) as taken:
            if entry.name in taken:
                return False
            with contextlib.suppress(FileNotFoundError):
                os.rename(entry.path, trash)
        remove_tree(trash)
    return True


def _remove_if_free(path: Path, lock: Path) -> None:
    with locked_if_free(lock) as free:
        if free:
            if path.suffix == _LOCK:
                return  # it goes with the lock
            remove_tree(path)
