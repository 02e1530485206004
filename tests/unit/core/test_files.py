# SPDX-License-Identifier: GPL-2.0-only
import errno
import os
import pwd
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unilinux.core import files
from unilinux.core.errors import HostError
from unilinux.core.files import (
    copy_atomically,
    digest_bytes,
    digest_file,
    digest_tree,
    explained_disk_errors,
    remove_tree,
    sorted_tree,
    write_atomically,
    write_if_changed,
)


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_is_written_is_whole_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a b" / "file"
    write_atomically(path, "text", mode=0o755)
    assert path.read_text() == "text"
    assert path.stat().st_mode & 0o777 == 0o755
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_the_system_refuses_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with file_size_limit(1024), pytest.raises(HostError, match="file would become larger than its file system"):
        write_atomically(path, b"x" * 4096)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_that_the_system_refuses_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "sub" / "target"
    source.write_bytes(b"x" * 4096)
    with file_size_limit(1024), pytest.raises(HostError, match="target would become larger"):
        copy_atomically(source, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_to_do(number: int, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no space left") as raised, explained_disk_errors(tmp_path):
        raise OSError(number, "full")
    assert raised.value.hint is not None
    assert "UNILINUX_CACHE" in raised.value.hint


def test_a_read_only_file_system_is_told_and_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="lies on a read-only file system"), explained_disk_errors(tmp_path):
        raise OSError(errno.EROFS, "read-only")
    with pytest.raises(IsADirectoryError), explained_disk_errors(tmp_path):
        raise IsADirectoryError(errno.EISDIR, "a folder")


def test_a_copy_has_the_bytes_and_mode_and_may_be_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"one")
    source.chmod(0o555)
    copy_atomically(source, target)
    assert target.read_bytes() == b"one"
    assert target.stat().st_mode & 0o777 == 0o755
    source.chmod(0o755)
    source.write_bytes(b"two")
    copy_atomically(source, target)
    assert target.read_bytes() == b"two"


def test_a_file_that_is_the_same_already_is_left_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"one")
    copy_atomically(source, target)
    before = target.stat()
    copy_atomically(source, target)
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_would_be_written_the_same_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_if_changed(path, b"one")
    before = path.stat()
    write_if_changed(path, b"one")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_if_changed(path, b"two")
    assert path.read_bytes() == b"two"


def _tree(root: Path) -> Path:
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "sub" / "file").write_text("content")
    (root / "link").symlink_to("sub/file")
    return root


def test_the_digest_of_a_tree_is_that_of_its_content(tmp_path: Path) -> None:
    one, two = _tree(tmp_path / "one"), _tree(tmp_path / "two")
    os.utime(two / "sub/file", (0, 0))
    (two / "sub/file").chmod(0o400)
    assert digest_tree(one) == digest_tree(two)


@pytest.mark.parametrize("change", ["content", "name", "execute", "link", "empty"])
def test_each_difference_of_two_trees_changes_the_digest(change: str, tmp_path: Path) -> None:
    root = _tree(tmp_path / "tree")
    before = digest_tree(root)
    match change:
        case "content":
            (root / "sub/file").write_text("Content")
        case "name":
            (root / "sub/file").rename(root / "sub/other")
        case "execute":
            (root / "sub/file").chmod(0o755)
        case "link":
            (root / "link").unlink()
            (root / "link").symlink_to("sub/empty")
        case _:
            (root / "sub/empty").rmdir()
    assert digest_tree(root) != before


def test_a_tree_is_walked_in_order_without_following_links(tmp_path: Path) -> None:
    root = _tree(tmp_path / "tree")
    (root / "loop").symlink_to(root)
    names = [path.relative_to(root).as_posix() for path in sorted_tree(root)]
    assert names == ["link", "loop", "sub", "sub/empty", "sub/file"]


def test_digests_are_sha_256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_bytes(b"abc") == digest_file(tmp_path / "f") == known


def test_a_read_only_tree_is_removed_whole_and_an_absent_one_is_no_error(tmp_path: Path) -> None:
    root = _tree(tmp_path / "tree")
    (root / "sub").chmod(0o555)
    root.chmod(0o555)
    remove_tree(root)
    remove_tree(root)
    assert not root.exists()


def test_removing_a_tree_does_not_touch_what_its_links_point_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o555)
    root = tmp_path / "tree"
    root.mkdir()
    (root / "link").symlink_to(outside)
    remove_tree(root)
    assert outside.stat().st_mode & 0o777 == 0o555


def test_a_user_who_is_not_root_can_remove_a_tree_of_any_modes() -> None:
    program = "import sys, pathlib; from unilinux.core.files import remove_tree; remove_tree(pathlib.Path(sys.argv[1]))"
    nobody = 65534 if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path(files.__file__).parents[1], f"{folder}/unilinux")
        root = _tree(Path(folder, "tree"))
        for path in (root / "sub/file", root / "sub/empty", root / "sub", root):
            path.chmod(0)
        if nobody is not None:
            for path in (Path(folder), root, *sorted_tree(root)):
                os.chown(path, nobody, nobody, follow_symlinks=False)
        python = os.path.realpath("/usr/bin/python3")
        if not os.access(python, os.X_OK):
            pytest.skip("no Python that another user may run")
        subprocess.run([python, "-B", "-c", program, root], user=nobody, check=True, env={"PYTHONPATH": folder})
        assert not root.exists()


def _raise(path: Path, error: OSError) -> None:
    with explained_disk_errors(path):
        raise error


def test_a_full_disk_is_the_one_of_the_file_that_was_written(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no space left on the file system of /elsewhere/file; nothing"):
        _raise(tmp_path, OSError(errno.ENOSPC, "No space left on device", "/elsewhere/file"))
    with pytest.raises(HostError, match=rf"no space left on the file system of {tmp_path}; nothing") as caught:
        _raise(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert "/var/tmp" not in (caught.value.hint or "")
    with pytest.raises(HostError, match="no space left on a disk; nothing"), explained_disk_errors(None):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def cache_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in the home folder of a user who isn't the one that all is owned by, as after one ``sudo ./x``."""
    made = tmp_path / "cache"
    (made / "store/step").mkdir(parents=True)
    owner = os.lstat
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    def lstat(path: Path, **options: Any) -> os.stat_result:
        status = owner(path, **options)
        if Path(path).is_relative_to(made):
            return status
        return os.stat_result((*status[:4], 12345, *status[5:10]))

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(Path, "lstat", lstat)
    return made


def test_files_of_another_user_are_told_with_the_command_that_mends_it(cache_of_another_user: Path) -> None:
    store = cache_of_another_user / "store"
    with pytest.raises(HostError) as caught, explained_disk_errors(store):
        raise PermissionError(errno.EACCES, "Permission denied", f"{store}/step/key/out")
    owner = pwd.getpwuid(os.getuid()).pw_name
    assert caught.value.message == f"{store}/step belongs to {owner}, so 12345 may not use it; was ./x run with sudo?"
    assert caught.value.hint == f"sudo chown -R 12345: {cache_of_another_user}"


def test_a_file_of_ones_own_that_is_protected_is_told_by_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HostError, match=rf"{tmp_path} may not be used: its mode is 0500") as caught:
        _raise(tmp_path, PermissionError(errno.EACCES, "Permission denied", f"{tmp_path}/file"))
    assert caught.value.hint == f"chmod u+rwX {tmp_path}"


def test_other_errors_pass_through(tmp_path: Path) -> None:
    for error in (PermissionError(errno.EPERM, "Operation not permitted"), FileNotFoundError(errno.ENOENT, "x", "y")):
        with pytest.raises(type(error)), explained_disk_errors(tmp_path):
            raise error
