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
