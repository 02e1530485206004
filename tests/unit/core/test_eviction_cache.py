# SPDX-License-Identifier: GPL-2.0-only
"""The limit is for the whole cache: what counts beside the store's outputs, and what goes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.core.steps import a_step
from tests.unit.core.test_eviction import large, made
from unilinux.core import eviction
from unilinux.core.ccache import ccache_bytes, trim_ccache
from unilinux.core.events import NullSink, Progress
from unilinux.core.eviction import LEASES, evict
from unilinux.core.leases import Lease
from unilinux.core.localstore import LocalStore
from unilinux.core.locks import locked


def add(path: Path, *, used: float, size: int = 1_000_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (used, used))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path


def test_downloads_and_outputs_go_by_one_rule(cache: Path) -> None:
    paths = [output.path for output in made(cache, 1, 2, used=10.0)]
    old, new = add(cache / "downloads/old.deb", used=5.0), add(cache / "downloads/new.deb", used=20.0)
    evict(cache / "store", 2_500_000, cache=cache)
    assert [path.exists() for path in (old, *paths, new)] == [False, False, True, True]


def test_downloads_count(cache: Path) -> None:
    (path,) = (output.path for output in made(cache, 1, used=10.0))
    add(cache / "downloads/new.deb", used=20.0)
    evict(cache / "store", 1_500_000)
    assert path.exists()
    evict(cache / "store", 1_500_000, cache=cache)
    assert not path.exists()


def test_a_download_that_a_running_command_uses_stays(cache: Path) -> None:
    file = add(cache / "downloads/a.deb", used=0.0)
    lease = Lease(cache / "store" / LEASES)
    with lease.taking("downloads/a.deb"):
        pass
    assert evict(cache / "store", 0, cache=cache).in_use == 1
    assert file.exists()
    del lease
    evict(cache / "store", 0, cache=cache)
    assert not file.exists()


def test_what_is_being_downloaded_stays(cache: Path) -> None:
    file = add(cache / "downloads/partial/a.deb", used=0.0)
    evict(cache / "store", 0, cache=cache)
    assert file.exists()


@pytest.mark.parametrize("name", ["apt/state/lists/debian", "logs/apt.log", "minimise/hello-tiny/journal.jsonl"])
def test_all_else_counts_and_stays(cache: Path, name: str) -> None:
    (path,) = (output.path for output in made(cache, 1))
    file = add(cache / name, used=0.0)
    evict(cache / "store", 1_500_000, cache=cache)
    assert file.exists()
    assert not path.exists()


def test_the_objects_of_an_unfinished_search_go_unless_it_runs(cache: Path) -> None:
    file = add(cache / "minimise/hello-tiny/builder/view/fork.o", used=0.0)
    journal = add(cache / "minimise/hello-tiny/journal.jsonl", used=0.0, size=10)
    with locked(cache / "minimise/hello-tiny/builder/lock", lambda: None):
        assert evict(cache / "store", 0, cache=cache).in_use == 1
        assert file.exists()
    evict(cache / "store", 0, cache=cache)
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]


def test_ccache_is_kept_to_a_quarter(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {cache / "ccache": 3_000_000}
    monkeypatch.setattr(eviction, "ccache_bytes", lambda folder: sizes[folder])
    monkeypatch.setattr(eviction, "trim_ccache", sizes.__setitem__)
    (path,) = (output.path for output in made(cache, 1))
    done = evict(cache / "store", 4_000_000, cache=cache)
    assert sizes == {cache / "ccache": 1_000_000}
    assert path.exists()
    assert 2_000_000 <= done.kept_bytes < 2_500_000


def test_a_store_keeps_the_cache_below_its_limit(cache: Path) -> None:
    file = add(cache / "downloads/a.deb", used=0.0)
    store = LocalStore(
        cache / "store", logs=cache / "logs", progress=Progress(NullSink()), limit_bytes=1_500_000, cache=cache
    )
    assert store.run(a_step(), large).path.exists()
    assert not file.exists()


@pytest.fixture
def ccache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that tells how it was called; its folder."""
    program = tmp_path / "bin/ccache"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\necho "$1 $CCACHE_DIR $CCACHE_MAXSIZE" >>"$0.log"\nprintf "cache_size_kibibyte\\t94636\\nx\\t1\\n"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "ccache").mkdir()
    return tmp_path / "ccache"


def test_ccache_says_how_much_it_takes_and_removes_what_is_too_much(ccache: Path, tmp_path: Path) -> None:
    assert ccache_bytes(ccache) == 94636 << 10
    trim_ccache(ccache, 5 << 20)
    trim_ccache(ccache, 0)  # to ccache, 0 is no limit
    said = (tmp_path / "bin/ccache.log").read_text().splitlines()
    assert said == [f"--print-stats {ccache} ", f"--cleanup {ccache} 5120Ki", f"--cleanup {ccache} 1Ki"]


def test_without_its_folder_ccache_is_not_asked(ccache: Path, tmp_path: Path) -> None:
    ccache.rmdir()
    assert ccache_bytes(ccache) == 0
    assert not (tmp_path / "bin/ccache.log").exists()


def test_a_ccache_that_fails_fails_nothing_else(ccache: Path, tmp_path: Path) -> None:
    (tmp_path / "bin/ccache").write_text("#!/bin/sh\nexit 1\n")
    assert ccache_bytes(ccache) == 0
    trim_ccache(ccache, 1 << 20)
