# SPDX-License-Identifier: GPL-2.0-only
"""Unpacking: whole or not at all, and nowhere else."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from unilinux.core.errors import DownloadError, HostError
from unilinux.fetch.unpack import unpack, unpack_package


def make_tar(path: Path, members: dict[str, bytes | None], links: dict[str, str] | None = None) -> Path:
    """``None`` as content makes a folder."""
    with tarfile.open(path, "w:xz") as tar:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o644
            if content is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return path


def test_the_single_top_folder_is_stripped(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.xz", {"top": None, "top/file": b"1", "top/sub/other": b"2"})
    unpack(archive, tmp_path / "out put")
    assert (tmp_path / "out put/file").read_bytes() == b"1"
    assert (tmp_path / "out put/sub/other").read_bytes() == b"2"


def test_several_top_entries_stay(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.xz", {"one/file": b"1", "two": b"2"})
    (tmp_path / "out").mkdir()
    unpack(archive, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "two"]


def test_a_damaged_archive_leaves_nothing(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.xz", {"top/file": bytes(100_000)})
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(DownloadError, match="cannot unpack") as caught:
        unpack(archive, tmp_path / "out")
    assert str(archive) in (caught.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.xz"]


@pytest.mark.parametrize("name", ["../evil", "top/../../evil"])
def test_members_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    archive = make_tar(tmp_path / "a.tar.xz", {"top/file": b"1", name: b"evil"})
    with pytest.raises(DownloadError):
        unpack(archive, tmp_path / "sub/out")
    assert not list(tmp_path.rglob("evil"))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    archive = make_tar(tmp_path / "a.tar.xz", {"top/out/evil": b"evil"}, {"top/out": str(tmp_path / "victim")})
    with pytest.raises(DownloadError):
        unpack(archive, tmp_path / "target")
    assert not list((tmp_path / "victim").iterdir())


def test_a_damaged_package(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(b"no package")
    with pytest.raises(DownloadError, match=r"cannot unpack .*x\.deb"):
        unpack_package(tmp_path / "x.deb", tmp_path / "out")


def test_a_missing_decompressor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="the program 'bzip2' is not installed"):
        unpack(tmp_path / "zlib.tar.bz2", tmp_path / "target")
    assert not (tmp_path / "target").exists()
