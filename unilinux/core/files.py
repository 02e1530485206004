"""Files that are either whole or not there, and digests of files and trees."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import filecmp
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from unilinux.core.errors import HostError

_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def explained_disk_errors(path: Path) -> Iterator[None]:
    """Turn “no space left” and “read-only” into a :class:`HostError` that names the file system."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HostError(
                f"no space left on the file system of {path}; nothing half-written was kept",
                hint="free some space, or set UNILINUX_CACHE to a folder on a larger disk",
            ) from error
        if error.errno == errno.EFBIG:
            raise HostError(
                f"{path} would become larger than its file system or this process's limit allows; nothing was kept",
                hint="ulimit -f shows the limit",
            ) from error
        if error.errno == errno.EROFS:
            raise HostError(f"{path} lies on a read-only file system") from error
        raise


def write_atomically(path: Path, content: bytes | str, *, mode: int = 0o644) -> None:
    """Write beside ``path`` and rename, so that a reader sees the old file or the new one.

    :raise HostError: the disk is full or read-only; ``path`` is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    with explained_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_if_changed(path: Path, content: bytes) -> None:
    """The same, unless the file has that content: it then keeps its time, which make goes by.

    :raise HostError: the disk is full or read-only; ``path`` is as it was.
    """
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content)


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file beside ``target`` and rename it; a file with the same bytes is left alone."""
    mode = stat.S_IMODE(source.stat().st_mode) | stat.S_IWUSR
    if target.is_file() and filecmp.cmp(source, target, shallow=False) and stat.S_IMODE(target.stat().st_mode) == mode:
        return
    with explained_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            shutil.copyfile(source, name)
            os.chmod(name, mode)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


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


def _lock(path: Path, waiting: Callable[[], None]) -> int:
    """A descriptor of the file that is at ``path`` now, locked: whoever removes lock files makes no second holder."""
    told = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        except FileNotFoundError:  # the folder has just been removed
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    waiting()
                    told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
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


def digest_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_tree(root: Path) -> str:
    """SHA-256 over the sorted names, kinds, execute bits, link targets and bytes below ``root``.

    Times, owners and the other mode bits don't count: two builds of the same
    content have the same digest.
    """
    hasher = hashlib.sha256()
    for path in sorted_tree(root):
        status = path.lstat()
        name = path.relative_to(root).as_posix()
        if stat.S_ISLNK(status.st_mode):
            kind, body = "l", os.readlink(path)
        elif stat.S_ISDIR(status.st_mode):
            kind, body = "d", ""
        else:
            kind = "x" if status.st_mode & stat.S_IXUSR else "f"
            body = digest_file(path)
        hasher.update(f"{kind}\0{name}\0{body}\n".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def digest_shape(root: Path) -> str:
    """SHA-256 over the sorted names, modes, sizes, times and link targets below ``root``: reads no file."""
    hasher = hashlib.sha256()
    for path in sorted_tree(root):
        status = path.lstat()
        name = path.relative_to(root).as_posix()
        if stat.S_ISREG(status.st_mode):
            body = f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns}"
        else:
            body = os.readlink(path) if stat.S_ISLNK(status.st_mode) else ""
        hasher.update(f"{name}\0{body}\n".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def sorted_tree(root: Path) -> list[Path]:
    """Everything below ``root`` (not ``root`` itself), sorted by name; links aren't followed."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        found.extend(Path(folder, name) for name in (*folders, *files))
    return sorted(found)


def remove_tree(path: Path) -> None:
    """Remove a folder whatever its modes (published outputs are read-only); absent is fine."""
    if not path.exists():
        return
    os.chmod(path, stat.S_IRWXU)
    for folder, folders, _ in os.walk(path):
        for name in folders:  # before it is entered
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IRWXU)
    shutil.rmtree(path)
