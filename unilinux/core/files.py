# SPDX-License-Identifier: GPL-2.0-only
"""Files that are either whole or not there, and digests of files and trees."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from unilinux.core.errors import HostError


@contextlib.contextmanager
def explained_disk_errors(path: Path | None) -> Iterator[None]:
    """Turn what a disk or its permissions refuse into a :class:`HostError` that says what to do.

    The file is the error's own if it names one, else ``path``: what is worked on in the ``with`` block.
    """
    try:
        yield
    except OSError as error:
        explained = _explained(path, error)
        if explained is None:
            raise
        raise explained from error


_FORBIDDEN = (errno.EACCES, errno.EPERM)


def full_disk(place: Path | None) -> HostError:
    """The error for a file system without space."""
    where = f"the file system of {place}" if place else "a disk"
    return HostError(
        f"no space left on {where}; nothing half-written was kept",
        hint="free some space (./x clean --cache empties the cache), "
        "or set UNILINUX_CACHE to a folder on a larger disk, such as $HOME/unilinux-cache",
    )


def _explained(path: Path | None, error: OSError) -> HostError | None:
    # Of a copy or rename the second name is the one that is written.
    names = (error.filename2, error.filename) if error.errno not in _FORBIDDEN else (error.filename,)
    own = next((name for name in names if isinstance(name, str | bytes)), None)
    place = Path(os.fsdecode(own)) if own else path
    if place is not None and path is not None and place.name.startswith(f".{path.name}."):
        place = path  # the temporary file beside it
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full_disk(place)
    if error.errno == errno.EFBIG:
        return HostError(
            f"{place} would become larger than its file system or this process's limit allows; nothing was kept",
            hint="ulimit -f shows the limit",
        )
    if error.errno == errno.EROFS:
        return HostError(f"{place} lies on a read-only file system")
    if error.errno in _FORBIDDEN and own:
        return _forbidden(Path(os.path.abspath(os.fsdecode(own))), path)
    return None


def _forbidden(place: Path, area: Path | None) -> HostError:
    """The error for a file that this user may not read or write: most often left by one ``sudo ./x``."""
    there = next((one for one in (place, *place.parents) if os.path.lexists(one)), Path("/"))
    status = there.lstat()
    me = _user(os.geteuid())
    if status.st_uid == os.geteuid():
        return HostError(
            f"{there} may not be used: its mode is {stat.S_IMODE(status.st_mode):04o}", hint=f"chmod u+rwX {there}"
        )
    top = there
    if area is not None:  # all that lies around it and is the same user's
        limit = Path(os.path.abspath(area)).parent
        while top.parent.is_relative_to(limit) and top.parent.lstat().st_uid == status.st_uid:
            top = top.parent
    return HostError(
        f"{there} belongs to {_user(status.st_uid)}, so {me} may not use it; was ./x run with sudo?",
        hint=f"sudo chown -R {me}: {top}",
    )


def _user(number: int) -> str:
    import pwd  # seldom needed

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"{number}"


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
                file.flush()
                os.fsync(file.fileno())  # else a power cut could leave the new name with no content
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
            flush_file(Path(name))
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def flush_file(path: Path) -> None:
    """See that a file's bytes, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(root: Path) -> None:
    """See that all below ``root`` is on the disk, file by file: that waits for nobody else's bytes."""
    for path in (*sorted_tree(root), root):
        if not path.is_symlink():
            flush_file(path)


def exchange(one: Path, two: Path) -> None:
    """Exchange two files or folders of one file system in one step: each path always names one of them.

    :raise OSError: one isn't there, or the file system can't do that.
    """
    import ctypes  # takes 10 ms, and is seldom needed

    here, exchange_flag = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, linux/fcntl.h and linux/fs.h
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(here, os.fsencode(one), here, os.fsencode(two), exchange_flag) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fspath(two))


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


Survey = list[tuple[str, os.stat_result]]


def survey(root: Path) -> Survey:
    """The relative names of all below ``root``, sorted, each with what ``lstat`` says: one walk for several uses."""
    found: Survey = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                name = os.path.join(below, entry.name)
                found.append((name, entry.stat(follow_symlinks=False)))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
    found.sort(key=lambda item: item[0])
    return found


def digest_shape(root: Path, seen: Survey) -> str:
    """SHA-256 over the sorted names, modes, sizes, times and link targets below ``root``: reads no file."""
    hasher = hashlib.sha256()
    for name, status in seen:
        if stat.S_ISREG(status.st_mode):
            body = f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns}"
        else:
            body = os.readlink(os.path.join(root, name)) if stat.S_ISLNK(status.st_mode) else ""
        hasher.update(f"{name}\0{body}\n".encode(errors="surrogateescape"))
    return hasher.hexdigest()


def count_bytes(seen: Survey) -> int:
    """The bytes of the files, as they are read."""
    return sum(status.st_size for _, status in seen if stat.S_ISREG(status.st_mode))


def disk_bytes(root: Path, seen: Survey | None = None) -> int:
    """The disk space that ``root`` takes with all below it."""
    found = survey(root) if seen is None else seen
    return 512 * (root.lstat().st_blocks + sum(status.st_blocks for _, status in found))


def sorted_tree(root: Path) -> list[Path]:
    """Everything below ``root`` (not ``root`` itself), sorted by name; links aren't followed."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        found.extend(Path(folder, name) for name in (*folders, *files))
    return sorted(found)


def remove_tree(path: Path) -> None:
    """Remove a folder whatever its modes (published outputs are read-only), or a file; absent is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    if not path.exists():
        return
    os.chmod(path, stat.S_IRWXU)
    for folder, folders, _ in os.walk(path):
        for name in folders:  # before it is entered
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IRWXU)
    shutil.rmtree(path)
