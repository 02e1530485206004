# SPDX-License-Identifier: GPL-2.0-only
"""Locks between processes, in files that anybody may remove at any time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None], *, remove: bool = False) -> Iterator[None]:
    """Hold an exclusive lock, together with the commands that run meanwhile.

    The kernel releases it when the last of them has ended, however they end: after a
    ``kill -9`` of this process nobody starts anew beside what is still at work.
    ``waiting`` is called when another run holds it, before this call waits.
    With ``remove`` the file goes when the lock is released; those who wait for it get a new one.
    """
    descriptor = _lock(path, waiting)
    try:
        os.set_inheritable(descriptor, True)  # noqa: FBT003 - os names it so
        yield
    finally:
        if remove:
            path.unlink(missing_ok=True)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextlib.contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the same lock, and whether it was free; its file goes at the end."""
    try:
        descriptor = _lock(path, None)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def locked_shared(path: Path) -> Iterator[None]:
    """Hold the same lock together with others that do so; who holds it alone isn't among them."""
    descriptor = _lock(path, lambda: None, kind=fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, waiting: Callable[[], None] | None, *, kind: int = fcntl.LOCK_EX) -> int:
    """A descriptor of the file that is at ``path`` now, locked: whoever removes lock files makes no second holder.

    :param waiting: called before it waits; None: it doesn't wait.
    :raise BlockingIOError: it was to wait, but should not.
    """
    told = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except FileNotFoundError:  # the folder has just been removed
            continue
        try:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is None:
                    raise
                if not told:
                    waiting()
                    told = True
                fcntl.flock(descriptor, kind)
            if is_file_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def is_file_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still is the one that its path names."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
