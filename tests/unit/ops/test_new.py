# SPDX-License-Identifier: GPL-2.0-only
"""A manifest that is written for a program: where, and never over another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from unilinux.app.catalogue import Catalogue
from unilinux.core.errors import UsageError
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.ops.new import new
from unilinux.ops.workshop import Workshop


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shutil.copy("/bin/true", tmp_path / "server")
    monkeypatch.chdir(tmp_path)
    layout = Layout(project=tmp_path / "project", cache=tmp_path / "cache", build=tmp_path / "build")
    return Workshop(layout=layout, progress=Progress(NullSink()))


def test_it_is_written_into_the_catalogue_or_a_given_folder(here: Workshop, tmp_path: Path) -> None:
    made = new(here, "mine", "./server")
    assert made.path == here.layout.apps / "mine/app.toml"
    assert Catalogue(here.layout.apps).find(made.option).manifest.run.argv == ("/bin/server",)
    made = new(here, "./some/mine", "server")
    assert made.path == tmp_path / "some/mine/app.toml"
    assert Catalogue(here.layout.apps).find(made.option).manifest.name == "mine"


def test_nothing_is_overwritten(here: Workshop) -> None:
    path = new(here, "mine", "./server").path
    path.write_text("edited")
    with pytest.raises(UsageError, match="exists already"):
        new(here, "mine", "./server")
    assert path.read_text() == "edited"


@pytest.mark.parametrize(
    ("name", "program", "said"),
    [
        ("mine", "./gone", "gone is no ELF program"),
        ("mine", "/etc/passwd", "/etc/passwd is no ELF program"),
        ("Mine", "./server", "'Mine' can't be the name of an application"),
    ],
)
def test_what_makes_no_application(here: Workshop, name: str, program: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        new(here, name, program)
    assert not here.layout.apps.exists()
