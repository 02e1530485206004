# SPDX-License-Identifier: GPL-2.0-only
"""Finished images: by folder, by name, and what is no image."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.record import SCHEMA
from unilinux.image.request import Request, make_plan
from unilinux.ops.finished import find_finished, read_finished

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "no", build=PROJECT / "no")


def image(folder: Path, **changed: Any) -> Path:
    """A folder as publish() leaves it, as far as it is read here."""
    plan = make_plan(Request(app="nginx"), LAYOUT)
    record = {
        "schema": SCHEMA,
        "name": plan.name,
        "app": "nginx",
        "profile": plan.profile.name,
        "ring": 0,
        "syscall": "lean",
        "machine": plan.machine.describe(),
        "cmdline": " ".join((*plan.machine.cmdline, *plan.own_cmdline, "hash_dentries=512")),
        "kernel": {"version": "6.12.117"},
        "inputs": {"kernel-objects": "00"},
        "sizes": {"vmlinux": 100},
        "reproduce": plan.command,
        "manifest": plan.app.manifest.model_dump(mode="json", by_alias=True, exclude_none=True),
        **changed,
    }
    folder.mkdir(parents=True)
    (folder / "image.json").write_text(json.dumps(record))
    (folder / "vmlinux.debug").write_text("")
    (folder / "config").write_text('CONFIG_EPOLL=y\nCONFIG_TEXT="a b"\n# CONFIG_SMP is not set\n')
    return folder


def test_an_image_is_found_by_folder_by_name_and_by_application(tmp_path: Path) -> None:
    layout = replace(LAYOUT, build=tmp_path)
    folder = image(tmp_path / "nginx-server")
    assert find_finished(layout, str(folder)).folder == folder
    assert find_finished(layout, "nginx-server").name == "nginx-server"
    found = find_finished(layout, "nginx")
    assert found.folder == folder
    assert found.config == {"EPOLL": "y", "TEXT": "a b", "SMP": "n"}


def test_the_image_of_an_application_outside_the_catalogue(tmp_path: Path) -> None:
    folder = shutil.copytree(LAYOUT.apps / "nginx", tmp_path / "nginx")
    layout = replace(LAYOUT, build=tmp_path / "build")
    with pytest.raises(UsageError, match="isn't built") as caught:
        find_finished(layout, str(folder))
    assert caught.value.hint == f"./x build --app {folder}"
    built = image(layout.build / make_plan(Request(app=str(folder)), layout).name)
    assert find_finished(layout, str(folder)).folder == built


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("ngnix", "there is no image 'ngnix'; did you mean 'nginx", "nginx-server"),
        ("lua", "the image of lua isn't built", "./x build --app lua"),
    ],
)
def test_a_name_that_is_no_image(tmp_path: Path, word: str, message: str, hint: str) -> None:
    image(tmp_path / "nginx-server")
    with pytest.raises(UsageError) as caught:
        find_finished(replace(LAYOUT, build=tmp_path), word)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_a_folder_that_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not the folder of an image: it has no image\.json"):
        find_finished(LAYOUT, str(tmp_path))
    folder = image(tmp_path / "half")
    (folder / "config").unlink()
    with pytest.raises(UsageError, match="it has no config"):
        read_finished(folder)


@pytest.mark.parametrize("text", ["{}", "[]", "not JSON"])
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    folder = image(tmp_path / "x")
    (folder / "image.json").write_text(text)
    with pytest.raises(UsageError, match="does not describe an image"):
        read_finished(folder)
