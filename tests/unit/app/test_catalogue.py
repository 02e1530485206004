# SPDX-License-Identifier: GPL-2.0-only
"""The catalogue: the shipped applications hold, unknown names are answered with the nearest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.catalogue import App, Broken, Catalogue, load_app
from unilinux.app.render import render
from unilinux.app.rootfs import template_variables
from unilinux.core.errors import ManifestError, UsageError

APPS = Path(__file__).parents[3] / "apps"
NAMES = Catalogue(APPS).names


def test_shipped_applications_are_all_there() -> None:
    assert {"hello", "lighttpd", "lua", "memcached", "nginx", "redis"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_application_holds(name: str) -> None:
    app = Catalogue(APPS).find(name)
    for file in app.manifest.files:
        if file.template is not None:
            assert render(app.folder / file.template, template_variables(app))
    for need in app.needs:
        assert need.line, f"{need.symbol} has no line"
        assert need.why, f"{need.symbol} has no reason behind it"


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no application 'ngnix'; did you mean 'nginx'"):
        Catalogue(APPS).find("ngnix")


def test_a_folder_anywhere_is_an_application(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_app().folder
    catalogue = Catalogue(tmp_path / "none")
    monkeypatch.chdir(folder)
    for word in (str(folder), "../toy", ".", f"{folder}/"):
        app = catalogue.find(word)
        assert (app.folder, app.given, app.option) == (folder, folder, str(folder))
        assert re.fullmatch(r"toy-[0-9a-f]{8}", app.word)
        assert catalogue.has(word)
    monkeypatch.chdir(folder.parent)
    assert catalogue.find("toy").folder == folder


def test_two_folders_of_one_name_are_two_applications(make_app: MakeApp, tmp_path: Path) -> None:
    folder = make_app().folder
    other = Path(shutil.copytree(folder, tmp_path / "other" / "toy"))
    catalogue = Catalogue(tmp_path / "none")
    assert catalogue.find(str(folder)).word != catalogue.find(str(other)).word


def test_a_path_into_the_catalogue_is_the_name(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_app().folder
    catalogue = Catalogue(folder.parent)
    other = folder.parent.parent / "toy"
    other.mkdir()
    monkeypatch.chdir(other.parent)
    for word in ("toy", "apps/toy", str(folder)):  # "toy" is a folder here, too: the catalogue comes first
        assert catalogue.find(word) == App(folder=folder, manifest=make_app().manifest)


def test_paths_that_are_no_application(make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_app().folder
    catalogue = Catalogue(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for word, said in (
        ("./gone", "the application ./gone does not exist"),
        (
            str(folder / "app.toml"),
            f"the application {folder}/app.toml is neither a folder nor a program (an ELF file)",
        ),
        ("empty", "the folder empty is no application: it has no app.toml"),
        ("", "there is no application ''"),
    ):
        with pytest.raises(UsageError) as caught:
            catalogue.find(word)
        assert said in caught.value.message
        assert not catalogue.has(word)
    folder.rename(tmp_path / "ball")
    with pytest.raises(ManifestError) as wrong:
        catalogue.find("./ball")
    assert "'toy' must be the folder's name, 'ball'" in wrong.value.details[0]


def test_a_broken_neighbour_does_no_harm(make_app: MakeApp) -> None:
    app = make_app()
    broken = app.folder.parent / "broken"
    broken.mkdir()
    (broken / "app.toml").write_text("schema = ")
    assert Catalogue(app.folder.parent).find("toy").manifest.name == "toy"


def test_all_applications_are_listed_with_what_is_wrong_with_some(make_app: MakeApp) -> None:
    app = make_app()
    broken = app.folder.parent / "broken"
    broken.mkdir()
    (broken / "app.toml").write_text("schema = ")
    bad, good = Catalogue(app.folder.parent).all()
    assert isinstance(bad, Broken)
    assert isinstance(good, App)
    assert (bad.name, good.manifest.name) == ("broken", "toy")
    assert "not valid TOML" in bad.error.message


def test_a_folder_is_no_template(make_app: MakeApp) -> None:
    folder = make_app().folder
    (folder / "toy.conf.j2").unlink()
    (folder / "toy.conf.j2").mkdir()
    with pytest.raises(ManifestError) as caught:
        load_app(folder)
    assert caught.value.details == (f"{folder / 'app.toml'}: toy.conf.j2 is a folder: a template is a file",)


def test_malformed_toml_names_the_line(make_app: MakeApp) -> None:
    with pytest.raises(ManifestError, match=r"app.toml: not valid TOML: .*line 3"):
        make_app('summary = "A toy"', "summary =")


def test_name_must_be_the_folders(make_app: MakeApp) -> None:
    with pytest.raises(ManifestError) as caught:
        make_app('name = "toy"', 'name = "ball"')
    assert "'ball' must be the folder's name, 'toy'" in caught.value.details[0]


def test_missing_local_files_are_all_named(make_app: MakeApp) -> None:
    folder = make_app().folder
    (folder / "toy.c").unlink()
    (folder / "toy.conf.j2").unlink()
    with pytest.raises(ManifestError) as caught:
        load_app(folder)
    assert [detail.split(": ")[1].split(" ")[0] for detail in caught.value.details] == ["toy.c", "toy.conf.j2"]


def test_needs_carry_line_and_reason(make_app: MakeApp) -> None:
    epoll, futex = make_app().needs
    assert (epoll.symbol, epoll.value, epoll.why) == ("EPOLL", "y", "waits for many sockets")
    assert futex.why == ""
    assert futex.line == (epoll.line or 0) + 1
    assert epoll.kernel == ""


def test_needs_of_one_kernel(make_app: MakeApp) -> None:
    app = make_app('FUTEX = "y"\n', '[kernel."6.1"]\nFUTEX = "y" # locks\n')
    epoll, futex = app.needs
    assert (futex.symbol, futex.kernel, futex.why, futex.line) == ("FUTEX", "6.1", "locks", (epoll.line or 0) + 2)
