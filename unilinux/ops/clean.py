# SPDX-License-Identifier: GPL-2.0-only
"""Removing what UniLinux made, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.core.eviction import evict
from unilinux.core.files import disk_bytes, explained_disk_errors, remove_tree
from unilinux.core.layout import CACHE_FOLDERS, CACHE_TAG, is_marked, mark_cache
from unilinux.core.locks import locked_if_free
from unilinux.image.record import ARTIFACTS, RECORD_FILE, REWRITTEN_FILE
from unilinux.kconfig.resolved import RESOLVED_FILE
from unilinux.observe.observe import USAGE_FILE
from unilinux.ops.budget import HISTORY_FILE
from unilinux.ops.report import REPORT_FILE
from unilinux.ops.workshop import Workshop

_IMAGE_FILES = frozenset({*ARTIFACTS.values(), RECORD_FILE, REWRITTEN_FILE, RESOLVED_FILE, USAGE_FILE, ".lock"})
_RUNS = "runs"
_FETCHED = ("apt", "downloads")  # under one lock
_MINIMISE = "minimise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Something that was removed, and the disk space that it took."""

    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that lies there, too, and stays."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What is gone, and what stays."""

    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]

    @property
    def freed_bytes(self) -> int:
        """Disk space that is free now."""
        return sum(one.size_bytes for one in self.removed)

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "removed": [{"path": str(one.path), "size_bytes": one.size_bytes} for one in self.removed],
            "kept": [{"path": str(one.path), "reason": one.reason} for one in self.kept],
            "freed_bytes": self.freed_bytes,
        }


def clean(here: Workshop, *, cache: bool = False) -> Cleaned:
    """Remove the images and the report from ``build/``, and what is in the cache if asked for.

    All else in ``build/`` stays: work trees of patches, the history of budgets, files of the user's. Of the cache
    what running commands use stays.

    :raise UsageError: the cache's folder isn't UniLinux's own.
    :raise HostError: something can't be removed; the message says why.
    """
    found: list[Removed | Kept] = []
    if cache:
        _require_own(here.layout.cache)
    with here.progress.step("clean", f"removing the images in {here.layout.build}"):
        found += _clean_build(here.layout.build)
    if cache:
        with here.progress.step("clean", f"emptying the cache {here.layout.cache}"):
            found += _clean_cache(here.layout.cache, here.layout.store)
    return Cleaned(
        removed=tuple(one for one in found if isinstance(one, Removed)),
        kept=tuple(one for one in found if isinstance(one, Kept)),
    )


def _clean_build(build: Path) -> Iterator[Removed | Kept]:
    if not build.is_dir():
        return
    with explained_disk_errors(build):
        for path in sorted(build.iterdir()):
            if path.name == REPORT_FILE and path.is_file():
                yield _removed(path)
            elif _is_image(path):
                yield from _clean_image(path)
            else:
                yield Kept(path=path, reason=_reason(path))
        _remove_if_empty(build)


def _is_image(folder: Path) -> bool:
    """Whether a folder holds an image, or nothing but what is left of one that was being written."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        if "artifacts" in json.loads((folder / RECORD_FILE).read_text(encoding="utf-8")):
            return True
    except (OSError, ValueError, TypeError):  # none, or another program's
        pass
    inside = list(folder.iterdir())
    return bool(inside) and all(_is_part(path) for path in inside)


def _is_part(path: Path) -> bool:
    return path.name in _IMAGE_FILES or path.name == _RUNS or _is_temporary(path)


def _reason(path: Path) -> str:
    """Why something in ``build/`` stays."""
    if path.name == HISTORY_FILE:
        return "it is the history of budgets"
    return "it is a git work tree" if (path / ".git").exists() else "it is no image"


def _clean_image(folder: Path) -> Iterator[Removed | Kept]:
    size = 0
    with locked_if_free(folder / ".lock") as free:
        if not free:
            yield Kept(path=folder, reason="a build is writing it")
            return
        for path in sorted(folder.iterdir()):
            if _is_part(path):
                size += _removed(path).size_bytes
    yield Removed(path=folder, size_bytes=size)
    _remove_if_empty(folder)
    if folder.exists():
        for path in sorted(folder.iterdir()):
            yield Kept(path=path, reason="it is no part of the image")


def _is_temporary(path: Path) -> bool:
    """Whether it is what a killed run left of one of these files (``core.files.write_atomically``)."""
    return any(path.name.startswith(f".{name}.") for name in _IMAGE_FILES)


def _require_own(cache: Path) -> None:
    home = os.path.expanduser("~")
    if cache.exists() and (cache == cache.parent or Path(home).resolve().is_relative_to(cache.resolve())):
        raise UsageError(f"{cache} is not only a cache: nothing was removed", hint="set UNILINUX_CACHE to its folder")
    if any(cache.glob("store/*/*/meta.json")):
        mark_cache(cache)  # one of before there was a mark
    if cache.exists() and not is_marked(cache):
        raise UsageError(
            f"{cache} is not marked as UniLinux's cache ({CACHE_TAG} in it is missing or another program's); "
            "nothing was removed",
            hint="if it is the right folder, remove it by hand; ./x build marks a folder that holds nothing else",
        )


def _clean_cache(cache: Path, store: Path) -> Iterator[Removed | Kept]:
    if not cache.is_dir():
        return
    with explained_disk_errors(cache):
        done = evict(store, 0)
        yield Removed(path=store, size_bytes=done.freed_bytes)
        if done.in_use:
            yield Kept(path=store, reason=f"{done.in_use} outputs are in use by running commands")
        for name in CACHE_FOLDERS:
            if (cache / name).is_dir() and not (name == store.name and done.in_use):
                yield from _clean_part(cache / name, busy=bool(done.in_use))
        for path in sorted(cache.iterdir()):
            if path.name not in (*CACHE_FOLDERS, CACHE_TAG):
                yield Kept(path=path, reason="it is no part of the cache")
        if [path.name for path in cache.iterdir()] == [CACHE_TAG]:
            (cache / CACHE_TAG).unlink()
            _remove_if_empty(cache)


def _clean_part(part: Path, *, busy: bool) -> Iterator[Removed | Kept]:
    if part.name == _MINIMISE:
        for folder in sorted(part.iterdir()):
            yield from _clean_locked(folder, folder / "builder/lock")
        _remove_if_empty(part)
    elif part.name in _FETCHED and not busy:
        yield from _clean_locked(part, part.parent / "apt" / "lock")
    elif busy:
        yield Kept(path=part, reason="running commands may use it")
    else:
        yield _removed(part)


def _clean_locked(folder: Path, lock: Path) -> Iterator[Removed | Kept]:
    with locked_if_free(lock) as free:
        yield _removed(folder) if free else Kept(path=folder, reason="a running command uses it")


def _removed(path: Path) -> Removed:
    """Remove a file or folder."""
    if path.is_dir() and not path.is_symlink():
        size = disk_bytes(path)
        remove_tree(path)
    else:
        size = path.lstat().st_blocks * 512
        path.unlink()
    return Removed(path=path, size_bytes=size)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
