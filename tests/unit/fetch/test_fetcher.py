# SPDX-License-Identifier: GPL-2.0-only
"""Fetching: what is asked for, or a plain word on why not, and never a half."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.fetch.conftest import Archive
from tests.unit.recorder import Recorder
from unilinux.core.errors import DownloadError, HostError
from unilinux.core.events import NullSink, Progress
from unilinux.core.eviction import evict
from unilinux.core.layout import Layout
from unilinux.fetch.fetcher import Fetcher, require_intact


def left_behind(layout: Layout) -> list[str]:
    return sorted(path.name for path in layout.downloads.iterdir()) if layout.downloads.exists() else []


def test_pinned_package_is_fetched_and_kept_by_digest(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    sha256 = archive.add_package("linux-source-6.12", "6.12.1-1", b"old")
    archive.add_package("linux-source-6.12", "6.12.2-1", b"new")
    found = fetcher.debian_package("linux-source-6.12", "6.12.1-1", sha256)
    assert (found.version, found.sha256, found.path.read_bytes()) == ("6.12.1-1", sha256, b"old")
    assert left_behind(layout) == [f"{sha256}-linux-source-6.12_6.12.1-1_all.deb"]


def test_newest_of_the_series_replaces_a_withdrawn_pin_and_stays(
    fetcher: Fetcher, archive: Archive, recorder: Recorder
) -> None:
    archive.add_package("linux-source-6.12", "6.13.0-1", b"other series")
    archive.add_package("linux-source-6.12", "6.12.10-1", b"newest")
    archive.add_package("linux-source-6.12", "6.12.9-1", b"older")
    found = fetcher.debian_package("linux-source-6.12", "6.12.1-1", "0" * 64)
    assert (found.version, found.path.read_bytes()) == ("6.12.10-1", b"newest")
    assert recorder.notes == ["linux-source-6.12 6.12.1-1 is not offered any more; 6.12.10-1 is used instead"]

    archive.add_package("linux-source-6.12", "6.12.11-1", b"newer still")
    again = fetcher.debian_package("linux-source-6.12", "6.12.1-1", "0" * 64)
    assert again == found
    assert recorder.cached == [False, True]


def test_lists_are_fetched_again_when_they_do_not_lead_to_the_file(fetcher: Fetcher, archive: Archive) -> None:
    archive.add_package("one", "1.0-1", b"one")
    fetcher.debian_package("one", None)
    sha256 = archive.add_package("two", "2.0-1", b"two")
    assert fetcher.debian_package("two", "2.0-1").sha256 == sha256


def test_kept_file_needs_no_apt(layout: Layout, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = hashlib.sha256(b"kept").hexdigest()
    layout.downloads.mkdir(parents=True)
    kept = layout.downloads / f"{sha256}-x_1.orig.tar.gz"
    kept.write_bytes(b"kept")
    monkeypatch.setenv("PATH", "/nonexistent")
    fetcher = Fetcher(layout, Progress(recorder))
    assert fetcher.debian_source_file("x", "x_1.orig.tar.gz", sha256) == kept
    assert fetcher.debian_package("x", "1-1", sha256).path == kept
    assert recorder.cached == [True, True]


def test_package_not_offered(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_package("linux-source-6.12", "6.13.0-1", b"other series")
    with pytest.raises(DownloadError, match=r"don't have linux-source-6\.12 6\.12\.1-1") as caught:
        fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    assert "offered: 6.13.0-1" in caught.value.details[0]
    assert "pin one of those" in (caught.value.hint or "")
    assert left_behind(layout) == []


def test_package_unknown(fetcher: Fetcher) -> None:
    with pytest.raises(DownloadError, match="they offer no version of it") as caught:
        fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    assert "/etc/apt" in (caught.value.hint or "")


def test_pin_that_contradicts_the_index(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_package("linux-source-6.12", "6.12.1-1", b"content")
    with pytest.raises(DownloadError, match="pinned to another content") as caught:
        fetcher.debian_package("linux-source-6.12", "6.12.1-1", "1" * 64)
    assert caught.value.details[0].endswith("1" * 64)
    assert "configs/kernels.toml" in (caught.value.hint or "")
    assert left_behind(layout) == []


def test_corrected_pin_is_not_answered_from_memory(fetcher: Fetcher, archive: Archive) -> None:
    sha256 = archive.add_package("linux-source-6.12", "6.12.1-1", b"content")
    assert fetcher.debian_package("linux-source-6.12", "6.12.1-1").sha256 == sha256
    with pytest.raises(DownloadError, match="pinned to another content"):
        fetcher.debian_package("linux-source-6.12", "6.12.1-1", "1" * 64)


def test_content_that_is_not_what_the_index_promises(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_package("linux-source-6.12", "6.12.1-1", b"content", sha256="2" * 64)
    with pytest.raises(DownloadError, match=r"linux-source-6\.12_6\.12\.1-1_all\.deb"):
        fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    assert left_behind(layout) == []


def test_download_cut_short(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_package("linux-source-6.12", "6.12.1-1", b"content" * 1000)
    (archive.root / "linux-source-6.12_6.12.1-1_all.deb").write_bytes(b"content" * 10)
    with pytest.raises(DownloadError, match=r"linux-source-6\.12") as caught:
        fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    assert "run the same command again" in (caught.value.hint or "")
    assert left_behind(layout) == []


def test_file_gone_from_the_server(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    archive.add_package("linux-source-6.12", "6.12.1-1", b"content")
    (archive.root / "linux-source-6.12_6.12.1-1_all.deb").unlink()
    with pytest.raises(DownloadError, match="could not download") as caught:
        fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    assert any("Failed to" in line for line in caught.value.details)
    assert left_behind(layout) == []


def test_source_file_is_found_by_its_digest(fetcher: Fetcher, archive: Archive) -> None:
    sha256 = archive.add_source("nginx", "1.22.1-9", "nginx_1.22.1.orig.tar.gz", b"the one")
    archive.add_source("nginx", "1.23.0-1", "nginx_1.23.0.orig.tar.gz", b"newer")
    path = fetcher.debian_source_file("nginx", "nginx_1.22.1.orig.tar.gz", sha256)
    assert path.read_bytes() == b"the one"
    assert path.name == f"{sha256}-nginx_1.22.1.orig.tar.gz"


def test_source_file_not_offered(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    offered = archive.add_source("nginx", "1.22.1-9", "nginx_1.22.1.orig.tar.gz", b"another")
    with pytest.raises(DownloadError, match=r"nginx_1\.22\.1\.orig\.tar\.gz with SHA-256 3333") as caught:
        fetcher.debian_source_file("nginx", "nginx_1.22.1.orig.tar.gz", "3" * 64)
    assert any(offered in line for line in caught.value.details)
    assert left_behind(layout) == []


def test_one_broken_package_source_does_not_spoil_the_others(
    fetcher: Fetcher, archive: Archive, configured: Callable[[str], None], tmp_path: Path
) -> None:
    configured(f"deb file:{tmp_path}/nowhere ./\ndeb [trusted=yes] file:{archive.root} ./\n")
    archive.add_package("good", "1-1", b"good")
    assert fetcher.debian_package("good", "1-1").version == "1-1"
    with pytest.raises(DownloadError) as caught:
        fetcher.debian_package("absent", "1-1")
    assert any("nowhere" in line for line in caught.value.details)


def test_deb822_package_sources_are_taken_over(
    fetcher: Fetcher, archive: Archive, configured: Callable[[str], None], tmp_path: Path
) -> None:
    configured("")
    (tmp_path / "etc/parts/x.sources").write_text(f"Types: deb\nURIs: file:{archive.root}\nSuites: ./\nTrusted: yes\n")
    sha256 = archive.add_source("lua", "5-1", "lua_5.orig.tar.gz", b"lua")
    assert fetcher.debian_source_file("lua", "lua_5.orig.tar.gz", sha256).exists()


def test_no_package_sources_at_all(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "etc/sources.list").unlink()
    with pytest.raises(HostError, match="no package sources"):
        fetcher.debian_package("x", "1")


def test_what_a_killed_run_left_is_removed(fetcher: Fetcher, archive: Archive, layout: Layout) -> None:
    (layout.downloads / "partial").mkdir(parents=True)
    (layout.downloads / "partial/x_1-1_all.deb").write_bytes(b"hal")
    sha256 = archive.add_package("x", "1-1", b"half")
    fetcher.debian_package("x", "1-1")
    assert left_behind(layout) == [f"{sha256}-x_1-1_all.deb"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 1, "sha256": null}', '{"version": "6.12.1-1"}'])
def test_a_damaged_record_is_made_again(fetcher: Fetcher, archive: Archive, layout: Layout, damage: str) -> None:
    archive.add_package("linux-source-6.12", "6.12.1-1", b"new")
    before = fetcher.debian_package("linux-source-6.12", "6.12.1-1")
    (record,) = layout.cache.glob("apt/resolved/*.json")
    record.write_text(damage)
    assert fetcher.debian_package("linux-source-6.12", "6.12.1-1") == before
    assert before.sha256 in record.read_text()


def test_an_empty_download_is_fetched_again(fetcher: Fetcher, archive: Archive) -> None:
    sha256 = archive.add_package("linux-source-6.12", "6.12.1-1", b"new")
    path = fetcher.debian_package("linux-source-6.12", "6.12.1-1", sha256).path
    path.chmod(0o644)
    path.write_bytes(b"")
    assert fetcher.debian_package("linux-source-6.12", "6.12.1-1", sha256).path.read_bytes() == b"new"


def test_a_damaged_download_is_seen_before_it_is_used(fetcher: Fetcher, archive: Archive) -> None:
    sha256 = archive.add_package("linux-source-6.12", "6.12.1-1", b"new")
    path = fetcher.debian_package("linux-source-6.12", "6.12.1-1", sha256).path
    require_intact(path, sha256)
    path.chmod(0o644)
    path.write_bytes(b"old")
    with pytest.raises(DownloadError, match="was damaged, and was removed"):
        require_intact(path, sha256)
    assert fetcher.debian_package("linux-source-6.12", "6.12.1-1", sha256).path.read_bytes() == b"new"


def test_a_download_is_young_when_it_comes_and_after_each_use(
    fetcher: Fetcher, archive: Archive, layout: Layout
) -> None:
    """The time of the last use says which one is evicted first."""
    sha256 = archive.add_package("x", "1-1", b"content")
    os.utime(archive.root / "x_1-1_all.deb", (0, 0))  # the server's time
    path = fetcher.debian_package("x", "1-1", sha256).path
    assert path.stat().st_mtime > 1
    os.utime(path, (0, 0))
    fetcher.debian_package("x", "1-1", sha256)
    assert path.stat().st_mtime > 1


@pytest.mark.usefixtures("configured")
def test_a_download_is_not_evicted_while_its_fetcher_lives(archive: Archive, layout: Layout) -> None:
    sha256 = archive.add_package("x", "1-1", b"content")
    first = Fetcher(layout, Progress(NullSink()))
    path = first.debian_package("x", "1-1", sha256).path
    evict(layout.store, 0, cache=layout.cache)
    assert path.exists()
    del first
    gc.collect()
    second = Fetcher(layout, Progress(NullSink()))
    assert second.debian_package("x", "1-1", sha256).path == path  # kept, not fetched again
    evict(layout.store, 0, cache=layout.cache)
    assert path.exists()
    del second
    gc.collect()
    evict(layout.store, 0, cache=layout.cache)
    assert not path.exists()
