# SPDX-License-Identifier: GPL-2.0-only
"""A folder of this host as a source: what is taken of it, and that each change of it is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.sources.test_archive import NO_FETCHER, built, write_app
from unilinux.app.catalogue import load_app
from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.tree import Directory, File, Symlink
from unilinux.sources.folder import FolderSource


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "src").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / ".git/index").write_text("1")
    (folder / "x").write_text("x")
    (folder / "src/main.c").write_text("main")
    (folder / "src/link").symlink_to("../x")
    return folder


def source(folder: Path, **more: tuple[str, ...]) -> FolderSource:
    return FolderSource(kind="folder", path=str(folder), **more)


def test_all_but_the_excluded_is_copied(tmp_path: Path, checkout: Path) -> None:
    target = tmp_path / "target"
    materials = source(checkout).obtain(tmp_path, NO_FETCHER)
    assert materials.facts == {"kind": "folder", "path": str(checkout)}
    assert materials.lay_out(target).entries == (
        Directory("/src"),
        Symlink("/src/link", "../x"),
        File("/src/main.c", target / "src/main.c"),
        File("/x", target / "x"),
    )
    few = source(checkout, exclude=("s*", ".git")).obtain(tmp_path, NO_FETCHER)
    assert few.files == {"folder:x": checkout / "x"}


def test_a_path_is_relative_to_the_manifest(tmp_path: Path, checkout: Path) -> None:
    app = load_app(write_app(tmp_path, {"kind": "folder", "path": "../checkout"}))
    materials = app.manifest.source.obtain(app.folder, NO_FETCHER)
    assert materials.files["folder:x"] == checkout / "x"


def leads_elsewhere(link: Path) -> None:
    link.unlink()
    link.symlink_to("main.c")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file's bytes": lambda folder: (folder / "src/main.c").write_text("niam"),
    "a new file": lambda folder: (folder / "new").touch(),
    "a file gone": lambda folder: (folder / "src/main.c").unlink(),
    "a program": lambda folder: (folder / "x").chmod(0o755),
    "a set-user-ID bit": lambda folder: (folder / "src/main.c").chmod(0o4644),
    "a sticky bit": lambda folder: (folder / "src").chmod(0o1755),
    "a link": lambda folder: leads_elsewhere(folder / "src/link"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_noticed(tmp_path: Path, checkout: Path, change: str) -> None:
    app = write_app(tmp_path, {"kind": "folder", "path": "../checkout"})
    assert not built(tmp_path, app).cached
    (checkout / ".git/index").write_text("2")  # excluded
    assert built(tmp_path, app).cached
    CHANGES[change](checkout)
    assert not built(tmp_path, app).cached


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_app(write_app(tmp_path, {"kind": "folder", "path": "../gone"}))
    assert any("../gone does not exist in" in line for line in caught.value.details)


def test_a_file_is_no_folder(tmp_path: Path, checkout: Path) -> None:
    with pytest.raises(BuildError, match="is no folder") as caught:
        source(checkout / "x").obtain(tmp_path, NO_FETCHER)
    assert caught.value.hint == 'for a tarball: kind = "archive"'


def test_nothing_to_take(tmp_path: Path, checkout: Path) -> None:
    with pytest.raises(BuildError, match="has nothing to take"):
        source(checkout, exclude=("*",)).obtain(tmp_path, NO_FETCHER)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (lambda folder: os.mkfifo(folder / "src/p"), "src/p is a device, pipe or socket"),
    "absolute link": (lambda folder: (folder / "src/l").symlink_to(folder / "x"), "the link 'src/l' leads out of it"),
    "link out": (lambda folder: (folder / "l").symlink_to("src/../.."), "the link 'l' leads out of it"),
    "newline": (lambda folder: (folder / "a\nb").touch(), r"the name 'a\\nb' has a line break"),
    "not UTF-8": (lambda folder: (folder / "caf\udce9").touch(), r"the name 'caf\\udce9' is not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_source_can_have(tmp_path: Path, checkout: Path, case: str) -> None:
    make, said = BAD[case]
    make(checkout)
    with pytest.raises(BuildError, match=said):
        source(checkout).obtain(tmp_path, NO_FETCHER)


def test_what_is_excluded_may_be_anything(tmp_path: Path, checkout: Path) -> None:
    os.mkfifo(checkout / "pipe")
    source(checkout, exclude=(".git", "p*")).obtain(tmp_path, NO_FETCHER)


def test_a_folder_around_the_cache_is_not_copied_into_itself(tmp_path: Path, checkout: Path) -> None:
    target = checkout / "src/cache/target"
    materials = source(checkout).obtain(tmp_path, NO_FETCHER)
    with pytest.raises(BuildError, match="holds the cache that it would be copied to, in src") as caught:
        materials.lay_out(target)
    assert "add 'src' to source.exclude" in (caught.value.hint or "")
    assert not target.exists()
