# SPDX-License-Identifier: GPL-2.0-only
"""Tarballs as a source: where they come from, what is laid out, and that a bad one leaves nothing anywhere."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from unilinux.app.build import build_app
from unilinux.app.catalogue import load_app
from unilinux.core.errors import BuildError, DownloadError, ManifestError, UniLinuxError
from unilinux.core.events import NullSink, Progress
from unilinux.core.files import digest_file
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output
from unilinux.core.tree import Directory, File, Symlink
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.archive import ArchiveSource

NO_FETCHER = cast("Fetcher", None)
URL = "https://example.org/app-1.tar.gz"


def tarball(path: Path, files: dict[str, str], links: dict[str, str] | None = None, *, mode: int = 0o644) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.uname = len(content), mode, 1234, "packer"
            tar.addfile(info, io.BytesIO(content.encode()))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


class Shelf:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[str, str]] = []

    def web_file(self, url: str, sha256: str) -> Path:
        self.asked.append((url, sha256))
        return self.path


def test_the_top_folder_is_stripped_and_files_are_laid_beside(tmp_path: Path) -> None:
    path = tarball(tmp_path / "a.tar.gz", {"app-1/src/main.c": "main"}, {"app-1/main.c": "src/main.c"})
    (tmp_path / "src").mkdir()
    (tmp_path / "src/more.c").write_text("more")
    materials = ArchiveSource(kind="archive", path="a.tar.gz", files=("src",)).obtain(tmp_path, NO_FETCHER)
    target = tmp_path / "target"
    assert materials.lay_out(target).entries == (
        Symlink("/main.c", "src/main.c"),
        Directory("/src"),
        File("/src/main.c", target / "src/main.c"),
        File("/src/more.c", target / "src/more.c"),
    )
    assert materials.files == {"archive": path, "local:src": tmp_path / "src"}
    assert materials.facts == {"kind": "archive", "path": "a.tar.gz", "sha256": digest_file(path)}


def test_owners_and_set_id_bits_are_not_taken_over(tmp_path: Path) -> None:
    path = tarball(tmp_path / "a.tar.gz", {"bin/su": "x"}, mode=0o6755)
    tree = ArchiveSource(kind="archive", path=str(path)).obtain(tmp_path / "app", NO_FETCHER).lay_out(tmp_path / "out")
    assert tree.entries == (File("/su", tmp_path / "out/su", 0o755, uid=0, gid=0),)


def test_a_download_counts_by_its_digest(tmp_path: Path) -> None:
    path = tarball(tmp_path / "kept", {"x": "x", "y": "y"})
    sha256 = digest_file(path)
    shelf = Shelf(path)
    materials = ArchiveSource(kind="archive", url=URL, sha256=sha256).obtain(tmp_path, cast("Fetcher", shelf))
    assert shelf.asked == [(URL, sha256)]
    assert (materials.inputs, materials.files, materials.spec) == ({"archive": sha256}, {}, {})
    assert materials.facts == {"kind": "archive", "url": URL, "sha256": sha256}
    assert [entry.path for entry in materials.lay_out(tmp_path / "out").entries] == ["/x", "/y"]
    path.write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="was damaged, and was removed"):
        materials.lay_out(tmp_path / "again")


def test_a_path_is_relative_to_the_manifest_and_may_lead_up(tmp_path: Path) -> None:
    tarball(tmp_path / "a.tar.gz", {"x": "x"})
    (tmp_path / "app").mkdir()
    source = ArchiveSource(kind="archive", path="../a.tar.gz")
    assert source.beside == ("../a.tar.gz",)
    assert source.obtain(tmp_path / "app", NO_FETCHER).files == {"archive": tmp_path / "a.tar.gz"}


def test_a_file_of_this_host_with_another_digest(tmp_path: Path) -> None:
    path = tarball(tmp_path / "a.tar.gz", {"x": "x"})
    with pytest.raises(DownloadError, match=r"a\.tar\.gz has another content than source\.sha256") as caught:
        ArchiveSource(kind="archive", path="a.tar.gz", sha256="0" * 64).obtain(tmp_path, NO_FETCHER)
    assert caught.value.details == (f"promised SHA-256 {'0' * 64}", f"found SHA-256    {digest_file(path)}")
    ArchiveSource(kind="archive", path="a.tar.gz", sha256=digest_file(path)).obtain(tmp_path, NO_FETCHER)


def test_a_folder_is_no_tarball(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="is no file") as caught:
        ArchiveSource(kind="archive", path=str(tmp_path)).obtain(tmp_path, NO_FETCHER)
    assert caught.value.hint == 'for a folder: kind = "folder"'


BAD: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "a link out of the stripped folder": ({"top/x": "x"}, {"top/l": "../y"}, "the link 'l' leads out of it, to '../y'"),
    "links that climb through each other": (
        {"a/b/x": "x", "y": "y"}, {"a/b/up": "../..", "m": "a/b/up/.."}, "the link 'm' leads out of it, to 'a/b/up/..'"
    ),
    "a file behind a link": ({"l/evil": "x"}, {"l": "/etc"}, "is a link to '/etc': which is outside"),
    "a name that climbs": ({"../evil": "x"}, {}, "'../evil' has '..' in it"),
    "a file below a file": ({"x": "x", "x/y": "y"}, {}, "cannot unpack"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_tarball_leaves_nothing_anywhere(tmp_path: Path, case: str) -> None:
    files, links, said = BAD[case]
    path = tarball(tmp_path / "shelf/a.tar.gz", files, links)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UniLinuxError) as caught:
        ArchiveSource(kind="archive", path=str(path)).obtain(tmp_path, NO_FETCHER).lay_out(tmp_path / "room/out")
    assert said in caught.value.message
    (room,) = {*tmp_path.iterdir()} - {tmp_path / "shelf"} or {tmp_path / "shelf"}
    assert [path for path in sorted(tmp_path.rglob("*")) if path != room] == [path for path in before if path != room]


def test_a_damaged_file_of_this_host_is_not_to_be_removed(tmp_path: Path) -> None:
    """Its end is damaged, which only its check sum tells."""
    path = tarball(tmp_path / "a.tar.gz", {"x": "x"})
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    with pytest.raises(DownloadError, match="cannot unpack") as caught:
        ArchiveSource(kind="archive", path=str(path)).obtain(tmp_path, NO_FETCHER).lay_out(tmp_path / "out")
    assert caught.value.hint == "it may be damaged or cut off: get it once more"
    assert [one.name for one in tmp_path.iterdir()] == ["a.tar.gz"]


def test_only_an_empty_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        folder = tarfile.TarInfo("top")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
    with pytest.raises(DownloadError, match="holds only an empty folder"):
        ArchiveSource(kind="archive", path="a.tar").obtain(tmp_path, NO_FETCHER).lay_out(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "it needs a path or a url, and not both"),
        ({"path": "a.tar", "url": URL, "sha256": "0" * 64}, "it needs a path or a url, and not both"),
        ({"url": URL}, f"sha256: a url needs one, which says what must come: curl -L '{URL}' | sha256sum"),
        ({"url": "http://example.org/x.tar"}, "sha256: a url needs one"),
        ({"url": "ftp://example.org/x.tar", "sha256": "0" * 64}, "must begin with https:// or http://"),
        ({"url": "file:///etc/passwd", "sha256": "0" * 64}, "must begin with https:// or http://"),
        ({"url": "https:///x.tar", "sha256": "0" * 64}, "the name of a host"),
        ({"url": "https://example.org/a b", "sha256": "0" * 64}, "must be written as %XX"),
        ({"url": "https://me:secret@example.org/x", "sha256": "0" * 64}, "must not hold a user's name or password"),
        ({"url": "https://[::1/x", "sha256": "0" * 64}, "is no address"),
        ({"path": "a.tar", "sha256": "abc"}, "source.sha256"),
        ({"path": "gone.tar"}, "gone.tar does not exist in"),
        ({"path": ""}, "source.path"),
    ],
)
def test_a_manifest_that_does_not_hold(tmp_path: Path, keys: dict[str, str], said: str) -> None:
    (tmp_path / "a.tar").touch()
    with pytest.raises(ManifestError) as caught:
        load_app(write_app(tmp_path, {"kind": "archive", **keys}))
    assert any(said in line for line in caught.value.details), caught.value.details


def write_app(folder: Path, source: dict[str, Any], *, taken: str = "x") -> Path:
    lines = "\n".join(f"{key} = {value!r}" for key, value in source.items())
    app = folder / "app"
    app.mkdir(exist_ok=True)
    (app / "app.toml").write_text(
        f'schema = 1\nname = "app"\nsummary = "s"\nversion = "1"\nprofile = "tiny"\n[source]\n{lines}\n'
        f'[[files]]\npath = "/bin/x"\nsource = "{taken}"\n'
        '[run]\nargv = ["/bin/x"]\nmemory_mib = 32\n[[verify]]\nkind = "exit"\n'
    )
    return app


def built(folder: Path, app: Path) -> Output:
    loaded = load_app(app)
    store = LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))
    materials = loaded.manifest.source.obtain(loaded.folder, NO_FETCHER)
    return build_app(loaded, materials, toolchain=None, store=store, jobs=1)


def test_a_changed_tarball_is_laid_out_again_and_an_equal_one_is_not(tmp_path: Path) -> None:
    path = tarball(tmp_path / "a.tar.gz", {"app-1/x": "one"})
    app = write_app(tmp_path, {"kind": "archive", "path": "../a.tar.gz"})
    first = built(tmp_path, app)
    assert not first.cached
    os.utime(path, (0, 0))
    assert built(tmp_path, app).cached
    tarball(path, {"app-1/x": "two"})
    second = built(tmp_path, app)
    assert not second.cached
    assert second.digest != first.digest


def test_a_tarball_that_is_refused_is_no_output(tmp_path: Path) -> None:
    tarball(tmp_path / "a.tar.gz", {"top/x": "x"}, {"top/l": "../y"})
    app = write_app(tmp_path, {"kind": "archive", "path": "../a.tar.gz"})
    for _ in range(2):
        with pytest.raises(BuildError, match="leads out of it"):
            built(tmp_path, app)
    assert not list((tmp_path / "store").rglob("out"))
