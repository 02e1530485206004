# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

import pytest

from unilinux.core.errors import HostError
from unilinux.core.layout import Layout


def test_variables_say_where_cache_and_build_lie(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path, {"UNILINUX_CACHE": "/c", "UNILINUX_BUILD": "/b", "XDG_CACHE_HOME": "/x"})
    assert (layout.cache, layout.build) == (Path("/c"), Path("/b"))


def test_without_variables_the_cache_is_the_users_and_the_build_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Layout.of(tmp_path, {}).cache == Path("/home/somebody/.cache/unilinux")
    assert Layout.of(tmp_path, {"XDG_CACHE_HOME": "/x", "UNILINUX_CACHE": ""}).cache == Path("/x/unilinux")
    assert Layout.of(tmp_path, {}).build == tmp_path / "build"


def test_paths_are_absolute_wherever_the_caller_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout = Layout.of(Path(), {"UNILINUX_CACHE": "a/../cache", "UNILINUX_BUILD": "out"})
    assert (layout.project, layout.cache, layout.build) == (tmp_path, tmp_path / "cache", tmp_path / "out")


def test_nothing_that_is_written_lies_outside_of_cache_and_build(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path, {"UNILINUX_CACHE": "/c"})
    assert {layout.store.parent, layout.downloads.parent, layout.logs.parent} == {Path("/c")}
    assert layout.profiles == tmp_path / "configs/profiles"
    assert layout.apps == tmp_path / "apps"


@pytest.mark.parametrize("cache", ["/tmp/a cache", "/tmp/a:cache"])
def test_a_cache_that_kernels_cannot_be_compiled_in(cache: str) -> None:
    with pytest.raises(HostError, match=f"the cache folder {cache} has a space or colon") as caught:
        Layout.of(Path("/project"), {"UNILINUX_CACHE": cache})
    assert "UNILINUX_CACHE" in (caught.value.hint or "")


def test_a_project_may_have_spaces_in_its_path() -> None:
    assert Layout.of(Path("/a project"), {"UNILINUX_CACHE": "/cache"}).project == Path("/a project")


def test_without_a_home_the_cache_that_is_said_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert Layout.of(tmp_path, {"UNILINUX_CACHE": "/c"}).cache == Path("/c")
    assert Layout.of(tmp_path, {"XDG_CACHE_HOME": "/x"}).cache == Path("/x/unilinux")
    with pytest.raises(HostError, match="there is no home folder") as caught:
        Layout.of(tmp_path, {})
    assert "UNILINUX_CACHE" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "size"), [("", 20 << 30), ("3", 3 << 30), ("500M", 500 << 20), ("1t", 1 << 40), ("64k", 64 << 10)]
)
def test_the_caches_limit_is_a_size(tmp_path: Path, text: str, size: int) -> None:
    assert Layout.of(tmp_path, {"UNILINUX_CACHE": "/c", "UNILINUX_CACHE_LIMIT": text}).cache_limit_bytes == size


@pytest.mark.parametrize("text", ["much", "-1", "1.5", "20 GiB"])
def test_a_limit_that_is_no_size(tmp_path: Path, text: str) -> None:
    with pytest.raises(HostError, match="UNILINUX_CACHE_LIMIT is .* which is no size"):
        Layout.of(tmp_path, {"UNILINUX_CACHE": "/c", "UNILINUX_CACHE_LIMIT": text})
