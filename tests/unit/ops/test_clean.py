# SPDX-License-Identifier: GPL-2.0-only
"""What ``clean`` removes, and what it leaves alone."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from unilinux.cli.text.clean import cleaned_text
from unilinux.core.errors import UsageError
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import CACHE_FOLDERS, CACHE_TAG, Layout, is_marked, mark_cache
from unilinux.core.locks import locked
from unilinux.core.store import Step, Workspace
from unilinux.ops.clean import Cleaned, clean
from unilinux.ops.workshop import Workshop

IMAGE_FILES = ("vmlinux", "vmlinux.debug", "bzImage", "System.map", "config", "resolved.json", "image.json")


@pytest.fixture
def here(tmp_path: Path) -> Workshop:
    layout = Layout(tmp_path / "project", tmp_path / "cache", tmp_path / "build")
    return Workshop(layout=layout, progress=Progress(NullSink()))


def add(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def add_image(build: Path, name: str = "hello-tiny") -> Path:
    for file in IMAGE_FILES:
        add(build / name / file, '{"artifacts": {}}')
    add(build / name / "runs/verify-1/console.log")
    return build / name


def tree(folder: Path) -> set[str]:
    return (
        {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()} if folder.exists() else set()
    )


def kept(found: Cleaned) -> set[str]:
    return {one.path.name for one in found.kept}


def test_images_and_the_report_go_and_all_else_stays(here: Workshop) -> None:
    build = here.layout.build
    add_image(build)
    add(build / "report.html")
    stay = {
        "linux/.git/HEAD", "linux/kernel/exit.c", "linux/config",  # a work tree with commits that weren't exported
        "linux-port/.git/HEAD", "history.jsonl", "notes.txt", "mine/vmlinux.txt",
    }  # fmt: skip
    for name in stay:
        add(build / name)
    found = clean(here)
    assert tree(build) == stay
    assert kept(found) == {"linux", "linux-port", "history.jsonl", "notes.txt", "mine"}
    assert {one.path.name for one in found.removed} == {"hello-tiny", "report.html"}
    assert found.freed_bytes > 0


def test_a_file_of_the_users_in_an_images_folder_stays(here: Workshop) -> None:
    image = add_image(here.layout.build)
    add(image / "my-notes")
    found = clean(here)
    assert tree(image) == {"my-notes"}
    assert kept(found) == {"my-notes"}


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"layers": []}'])
def test_a_kernel_that_the_user_built_there_stays(here: Workshop, record: str) -> None:
    """An unpacked source with a vmlinux in it, and even with an image.json of another program."""
    for name in ("vmlinux", "System.map", "Makefile", "kernel/exit.c"):
        add(here.layout.build / "linux-6.12" / name)
    add(here.layout.build / "linux-6.12/image.json", record)
    before = tree(here.layout.build)
    assert kept(clean(here)) == {"linux-6.12"}
    assert tree(here.layout.build) == before


@pytest.mark.parametrize("left", [("vmlinux",), (".lock", "vmlinux"), ("resolved.json", ".image.json.x1y2")])
def test_what_a_killed_build_left_goes(here: Workshop, left: tuple[str, ...]) -> None:
    for name in left:
        add(here.layout.build / "hello-tiny" / name)
    clean(here)
    assert not here.layout.build.exists()


def test_an_image_that_is_being_written_stays(here: Workshop) -> None:
    image = add_image(here.layout.build)
    before = tree(image)
    with locked(image / ".lock", lambda: None):
        assert kept(clean(here)) == {"hello-tiny"}
        assert tree(image) == before | {".lock"}
    clean(here)
    assert not image.exists()


def test_a_link_to_an_image_is_not_followed(here: Workshop, tmp_path: Path) -> None:
    image = add_image(tmp_path / "elsewhere")
    here.layout.build.mkdir()
    (here.layout.build / "link").symlink_to(image)
    clean(here)
    assert (image / "vmlinux").exists()
    assert (here.layout.build / "link").is_symlink()


def test_without_being_asked_the_cache_stays(here: Workshop) -> None:
    mark_cache(here.layout.cache)
    file = add(here.layout.downloads / "a.deb")
    clean(here)
    assert file.exists()


def test_the_cache_goes_with_all_that_is_ours(here: Workshop) -> None:
    mark_cache(here.layout.cache)
    for name in CACHE_FOLDERS:
        add(here.layout.cache / name / "one/two")
    found = clean(here, cache=True)
    assert not here.layout.cache.exists()
    assert found.kept == ()
    assert "MB are free now" in cleaned_text(found)


def test_other_files_in_the_cache_stay(here: Workshop) -> None:
    mark_cache(here.layout.cache)
    add(here.layout.cache / "downloads/a.deb")
    add(here.layout.cache / "photos/me.jpg")
    found = clean(here, cache=True)
    assert tree(here.layout.cache) == {"photos/me.jpg", CACHE_TAG}
    assert kept(found) == {"photos"}


def fill(space: Workspace) -> None:
    (space.out / "file").write_text("x")


def test_what_running_commands_use_stays(here: Workshop) -> None:
    store = here.new_store()
    used = store.run(Step(name="step", label="a step", spec={}), fill)
    add(here.layout.compiler_cache / "object")
    found = clean(here, cache=True)
    assert (used.path / "file").exists()
    assert {"store", "ccache"} <= kept(found)
    del used, store
    gc.collect()
    clean(here, cache=True)
    assert not here.layout.cache.exists()


def test_a_download_that_is_running_keeps_its_folders(here: Workshop) -> None:
    mark_cache(here.layout.cache)
    file = add(here.layout.downloads / "partial/a.deb")
    with locked(here.layout.cache / "apt/lock", lambda: None):
        assert kept(clean(here, cache=True)) == {"apt", "downloads"}
        assert file.exists()


def test_a_search_that_is_running_keeps_its_folder(here: Workshop) -> None:
    mark_cache(here.layout.cache)
    file = add(here.layout.cache / "minimise/hello-tiny/journal.jsonl")
    with locked(file.parent / "builder/lock", lambda: None):  # as the builder holds it
        assert kept(clean(here, cache=True)) == {"hello-tiny"}
        assert file.exists()
    clean(here, cache=True)
    assert not here.layout.cache.exists()


@pytest.mark.parametrize("tag", [None, "Signature: 8a477f597d28d172789f06886806bc55\n# another program's\n"])
def test_a_folder_that_is_not_marked_is_not_touched(here: Workshop, tag: str | None) -> None:
    file = add(here.layout.downloads / "holiday.jpg")
    image = add_image(here.layout.build)
    if tag:
        add(here.layout.cache / CACHE_TAG, tag)
    with pytest.raises(UsageError, match="is not marked as UniLinux's cache"):
        clean(here, cache=True)
    assert file.exists()
    assert image.exists()


@pytest.mark.parametrize("place", ["home", "above it", "root"])
def test_a_home_folder_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    home = tmp_path / "people/me"
    file = add(home / "downloads/holiday.jpg")
    monkeypatch.setenv("HOME", str(home))
    cache = {"home": home, "above it": home.parent, "root": Path("/")}[place]
    if place != "root":
        add(cache / CACHE_TAG)
    layout = Layout(tmp_path / "project", cache, tmp_path / "build")
    with pytest.raises(UsageError, match="is not only a cache"):
        clean(Workshop(layout=layout, progress=Progress(NullSink())), cache=True)
    assert file.exists()


def test_a_folder_with_other_things_is_never_marked(tmp_path: Path) -> None:
    add(tmp_path / "home/photo.jpg")
    mark_cache(tmp_path / "home")
    assert not is_marked(tmp_path / "home")
    add(tmp_path / "old/store/step/key/meta.json")  # a cache of before the mark
    mark_cache(tmp_path / "old")
    assert is_marked(tmp_path / "old")


def test_the_answer_is_a_document(here: Workshop) -> None:
    add_image(here.layout.build)
    add(here.layout.build / "notes.txt")
    document = json.loads(json.dumps(clean(here).document()))
    assert document["freed_bytes"] == sum(one["size_bytes"] for one in document["removed"]) > 0
    assert [Path(one["path"]).name for one in document["kept"]] == ["notes.txt"]


def test_a_cache_of_before_the_mark_goes_too(here: Workshop) -> None:
    add(here.layout.store / "step/key/meta.json", "{}")
    add(here.layout.downloads / "a.deb")
    clean(here, cache=True)
    assert not here.layout.cache.exists()


def test_nothing_to_remove(here: Workshop) -> None:
    assert cleaned_text(clean(here)) == "there was nothing to remove"


def test_every_folder_in_the_cache_is_known() -> None:
    """A new one must be named in CACHE_FOLDERS, or clean leaves it, and a cache with it isn't marked."""
    package = Path(__file__).parents[3] / "unilinux"
    found = set()
    for path in package.rglob("*.py"):
        for line in path.read_text().splitlines():
            found |= {line.partition('cache / "')[2].partition('"')[0]} if 'cache / "' in line else set()
    assert found - {""} <= {*CACHE_FOLDERS, "tmp"}
