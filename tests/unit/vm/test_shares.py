# SPDX-License-Identifier: GPL-2.0-only
"""Folders that can't be shared are refused with the reason and the next command."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unilinux.core.errors import HostError, UsageError
from unilinux.machine.spec import Share
from unilinux.vm.shares import require_folders


def share_of(folder: Path | None, *, read_only: bool = False) -> Share:
    return Share(name="share", path="/pages", folder=folder, read_only=read_only)


def test_a_folder_that_is_there(tmp_path: Path) -> None:
    require_folders([share_of(tmp_path), share_of(tmp_path, read_only=True)])


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"folder {tmp_path}/none, to be shared at /pages, does not exist") as caught:
        require_folders([share_of(tmp_path / "none")])
    assert caught.value.hint == f"mkdir {tmp_path}/none"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file, to be shared at /pages, is no folder"):
        require_folders([share_of(tmp_path / "file")])
    with pytest.raises(UsageError, match="mounts a folder of the host at /pages: which"):
        require_folders([share_of(None)])


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By hand, since root may always.
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    with pytest.raises(HostError, match="to be shared at /pages, can't be written to") as caught:
        require_folders([share_of(tmp_path)])
    assert caught.value.hint == f"share it read-only: --share {tmp_path}:/pages:ro"
    require_folders([share_of(tmp_path, read_only=True)])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(HostError, match="can't be read"):
        require_folders([share_of(tmp_path, read_only=True)])


def test_a_folder_that_cannot_keep_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> bytes:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "getxattr", unsupported)
    with pytest.raises(HostError, match="without extended attributes"):
        require_folders([share_of(tmp_path)])
    require_folders([share_of(tmp_path, read_only=True)])
