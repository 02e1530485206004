# SPDX-License-Identifier: GPL-2.0-only
"""Tarballs that come from anywhere: what is refused, with which words, before a byte of it is written."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import DownloadError, HostError
from unilinux.fetch.members import require_harmless

COMPRESSORS = {"tar": None, "gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}


def member(name: str, kind: bytes = tarfile.REGTYPE, *, leads: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, leads, size
    return info


def tarball(folder: Path, *members: tarfile.TarInfo, suffix: str = "tar") -> Path:
    path = folder / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    program = COMPRESSORS[suffix]
    if program is None:
        return path
    packed = folder / "packed"  # its name tells nothing
    packed.write_bytes(subprocess.run([program, "-c", path], capture_output=True, check=True).stdout)
    return packed


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_files_folders_and_links_within_are_let_through(tmp_path: Path, suffix: str) -> None:
    members = (
        member("./", tarfile.DIRTYPE),
        member("top", tarfile.DIRTYPE),
        member("top/sub/ü ü", size=100_000),
        member("top/sub/link", tarfile.SYMTYPE, leads="../../top/./file"),
        member("top/hard", tarfile.LNKTYPE, leads="top/sub/ü ü"),
    )
    require_harmless(tarball(tmp_path, *members, suffix=suffix))


REFUSED = {
    "climbs": (member("top/../../evil"), r"the name 'top/\.\./\.\./evil' has '\.\.' in it"),
    "absolute": (member("/etc/evil"), "the name '/etc/evil' is absolute"),
    "newline": (member("a\nb"), r"the name 'a\\nb' has a line break"),
    "not UTF-8": (member("caf\udce9"), r"the name 'caf\\udce9' is not UTF-8"),
    "absolute link": (
        member("l", tarfile.SYMTYPE, leads="/etc/passwd"),
        "'l' is a link to '/etc/passwd': which is out",
    ),
    "link out": (
        member("top/l", tarfile.SYMTYPE, leads="../../x"),
        r"'top/l' is a link to '\.\./\.\./x': which is out",
    ),
    "hard link out": (member("h", tarfile.LNKTYPE, leads="../x"), r"'h' is a hard link to '\.\./x': which is outside"),
    "absolute hard link": (member("h", tarfile.LNKTYPE, leads="/etc/shadow"), "'h' is a hard link to '/etc/shadow'"),
    "pipe": (member("p", tarfile.FIFOTYPE), "'p' is a pipe"),
    "character device": (member("c", tarfile.CHRTYPE), "'c' is a device node"),
    "block device": (member("b", tarfile.BLKTYPE), "'b' is a device node"),
    "unknown": (member("u", b"V"), "'u' is of the unknown type b'V'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_member_that_is_refused_is_named(tmp_path: Path, case: str) -> None:
    bad, said = REFUSED[case]
    with pytest.raises(DownloadError, match=said) as caught:
        require_harmless(tarball(tmp_path, member("good"), bad, suffix="gz"))
    assert "links that stay within the archive" in (caught.value.hint or "")


def test_an_empty_tarball(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="is empty: there is nothing to unpack"):
        require_harmless(tarball(tmp_path))


def test_a_file_without_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").touch()
    with pytest.raises(DownloadError, match="has no bytes"):
        require_harmless(tmp_path / "a.tar.gz")


def zip_file(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "x")


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_text("no archive " * 100), "is no tar file$"),
        (zip_file, "is a zip archive"),
        (lambda path: path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(1000)), "is a 7z archive"),
        (lambda path: path.write_bytes(b"\x1f\x9d\x90" + bytes(1000)), "is compressed by compress"),
    ],
)
def test_what_is_no_tarball_is_told_the_known_kinds(tmp_path: Path, write: Callable[[Path], None], said: str) -> None:
    write(tmp_path / "a.tar.gz")
    with pytest.raises(DownloadError, match=said) as caught:
        require_harmless(tmp_path / "a.tar.gz")
    assert "gzip, bzip2, xz or zstd" in (caught.value.hint or "")


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_tarball_that_was_cut_off(tmp_path: Path, suffix: str) -> None:
    info = member("top/file", size=3_000_000)
    path = tarball(tmp_path, info, member("top/second"), suffix=suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DownloadError, match="is damaged, cut off"):
        require_harmless(path)


def test_compressed_but_no_tar_file_inside(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text " * 1000)
    subprocess.run(["gzip", tmp_path / "text"], check=True)
    with pytest.raises(DownloadError, match="no tar file inside"):
        require_harmless(tmp_path / "text.gz")


def test_a_hole_counts_as_what_it_would_take(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    subprocess.run(["tar", "--sparse", "-C", tmp_path, "-cf", tmp_path / "a.tar", "sparse"], check=True)
    assert (tmp_path / "a.tar").stat().st_size < 100_000
    with pytest.raises(DownloadError, match="is too large: it would unpack to more than 8 GiB"):
        require_harmless(tmp_path / "a.tar")


def test_many_files_count_together(tmp_path: Path) -> None:
    path = tarball(tmp_path, member("a", size=600), member("b", size=600), suffix="xz")
    with pytest.raises(DownloadError, match="is too large"):
        require_harmless(path, most_bytes=1000)
    require_harmless(path, most_bytes=1200)


def test_a_missing_decompressor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tarball(tmp_path, member("a"), suffix="zst")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="the program 'zstd' is not installed"):
        require_harmless(path)
