# SPDX-License-Identifier: GPL-2.0-only
"""Names of images, and the commands that make them: what differs has another name."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from unilinux.app.catalogue import Catalogue
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.record import make_record
from unilinux.image.recorded import recorded_plan
from unilinux.image.request import Request, make_plan

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "none", build=PROJECT / "build")


@pytest.mark.parametrize(
    ("request_", "name", "options"),
    [
        (Request(app="hello"), "hello-tiny", ""),
        (Request(app="hello", kernel="6.12"), "hello-tiny", ""),  # the usual one
        (Request(app="hello", kernel="6.1"), "hello-tiny-linux-6.1", " --kernel 6.1"),
        (Request(app="hello", memory_mib=32), "hello-tiny", ""),  # the usual
        (Request(app="hello", memory_mib=99), "hello-tiny-99mib", " --memory 99"),
        (Request(app="hello", ring=3), "hello-tiny-ring3-trap", " --ring 3 --syscall trap"),
        (Request(app="nginx", target="q35", syscalls="used"), "nginx-server-q35-used-calls", None),
    ],
)
def test_what_the_user_chose_otherwise_is_in_the_name_and_the_command(
    request_: Request, name: str, options: str | None
) -> None:
    plan = make_plan(request_, LAYOUT)
    assert plan.name == name
    if options is not None:
        assert plan.command == f"./x build --app hello --profile tiny{options}"
        assert plan.command_to("run") == f"./x run --app hello --profile tiny{options}"


def test_two_kernels_of_one_name_are_two(tmp_path: Path) -> None:
    folders = [tmp_path / place / "linux-6.12.30" for place in ("one", "an other")]
    plans = []
    for folder in folders:
        folder.mkdir(parents=True)
        plans.append(make_plan(Request(app="hello", kernel=str(folder)), LAYOUT))
    names = [plan.name for plan in plans]
    assert len(set(names)) == 2
    assert all(name.startswith("hello-tiny-linux-6.12.30-") for name in names)
    # With a space in its path it is one word of the command.
    assert shlex.split(plans[1].command)[-1] == str(folders[1])


def test_an_application_outside_the_catalogue_has_an_image_of_its_own(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LAYOUT.apps / "hello", tmp_path / "a folder" / "hello"))
    plan = make_plan(Request(app=str(folder)), LAYOUT)
    assert re.fullmatch(r"hello-[0-9a-f]{8}-tiny", plan.name)
    assert plan.command == f"./x build --app '{folder}' --profile tiny"
    again = make_plan(Request(app=shlex.split(plan.command)[3]), LAYOUT)
    assert again.name == plan.name


def test_the_memory_of_the_files_is_the_images_and_that_of_the_machine_its_own() -> None:
    usual = make_plan(Request(app="redis"), LAYOUT)
    more = make_plan(Request(app="redis", memory_mib=200), LAYOUT)
    assert (usual.files_memory_mib, more.files_memory_mib) == (usual.app.manifest.run.memory_mib, 200)
    assert more.machine.spec.memory_mib == 200


def test_further_words_and_an_initrd_are_no_part_of_the_image(tmp_path: Path) -> None:
    usual = make_plan(Request(app="hello"), LAYOUT)
    more = tmp_path / "more.cpio"
    more.touch()
    plan = make_plan(Request(app="hello", words=("loglevel=7",), initrd=more), LAYOUT)
    assert (plan.name, plan.command) == (usual.name, usual.command)
    assert plan.cmdline == (*usual.cmdline, "loglevel=7")
    assert plan.initrd == more


def test_an_initrd_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file /nowhere.cpio"):
        make_plan(Request(app="hello", initrd=Path("/nowhere.cpio")), LAYOUT)


@pytest.mark.parametrize("app", Catalogue(LAYOUT.apps).names)
def test_a_finished_image_is_run_and_checked_by_its_record_alone(app: str, tmp_path: Path) -> None:
    plan = make_plan(Request(app=app, ring=3, memory_mib=200), LAYOUT)
    record = make_record(
        plan, name=plan.name, source={}, kernel={}, symbols=1, files={}, parts={}, inputs={}, inspection={}
    )
    found = recorded_plan(json.loads(json.dumps(record)), tmp_path)
    assert found.name == f"{app}-{plan.profile.name}"
    assert found.app.manifest == plan.app.manifest
    assert (found.machine, found.cmdline, found.entry.ring) == (plan.machine, plan.cmdline, 3)
