# SPDX-License-Identifier: GPL-2.0-only
"""Which outputs of a store are in use: each process keeps a list that the kernel ends with it."""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unilinux.core.locks import locked, locked_shared

_GATE = "gate"


class Lease:
    """The outputs that this process uses, as a file in ``folder`` which is locked as long as this value lives.

    The lock passes to the commands that the process starts: when it is killed, what they still use stays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{uuid.uuid4().hex}"
        with locked_shared(folder / _GATE):  # nobody looks at it before it is locked
            self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.set_inheritable(self._descriptor, True)  # noqa: FBT003 - os names it so
        self._end = weakref.finalize(self, _end, self._path, self._descriptor, os.getpid())

    @contextmanager
    def taking(self, name: str) -> Iterator[None]:
        """Take an output; whether it is there may be looked up in the ``with`` block: it then stays."""
        with locked_shared(self._folder / _GATE):
            with self._lock:
                if name not in self._taken:
                    os.write(self._descriptor, f"{name}\n".encode())
                    self._taken.add(name)
            yield


def _end(path: Path, descriptor: int, owner: int) -> None:
    if os.getpid() == owner:  # not a child that was forked and has a copy of the value
        path.unlink(missing_ok=True)
    os.close(descriptor)


_LEASES: weakref.WeakValueDictionary[Path, Lease] = weakref.WeakValueDictionary()
_LEASES_LOCK = threading.Lock()


def lease_of(folder: Path) -> Lease:
    """This process's lease, the same for all stores with that folder; it ends when nobody has it any more."""
    with _LEASES_LOCK:
        lease = _LEASES.get(folder)
        if lease is None:
            lease = _LEASES[folder] = Lease(folder)
        return lease


@contextmanager
def all_taken(folder: Path) -> Iterator[frozenset[str]]:
    """What running processes use; nobody takes anything else within the ``with`` block, which must be short."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / _GATE, lambda: None):
        taken: set[str] = set()
        for path in folder.iterdir():
            if path.name != _GATE:
                taken |= _names(path)
        yield frozenset(taken)


def _names(path: Path) -> set[str]:
    """The names in a lease; none if its process has ended, and then the file goes."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return set(file.read().decode().split())
            path.unlink(missing_ok=True)
    except FileNotFoundError:  # it ends just now
        pass
    return set()
