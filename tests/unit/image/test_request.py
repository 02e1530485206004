# SPDX-License-Identifier: GPL-2.0-only
"""Names of images, and the commands that make them: what differs has another name."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from unilinux.app.catalogue import Catalogue
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.places import with_files, with_folders
from unilinux.image.record import make_record
from unilinux.image.recorded import recorded_plan
from unilinux.image.request import Request, make_plan
from unilinux.machine.spec import SharedFolder, VolumeFile

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


def volume_file(text: str) -> VolumeFile:
    return VolumeFile.parse(text)


def test_a_volume_that_only_the_user_asks_for_is_in_the_name_and_the_command(tmp_path: Path) -> None:
    plan = make_plan(Request(app="hello", volumes=(volume_file(f"{tmp_path}/a: b.img:/data"),)), LAYOUT)
    (volume,) = plan.machine.spec.volumes
    assert (volume.path, volume.file) == ("/data", tmp_path / "a: b.img")
    assert plan.name == f"hello-tiny-{volume.name}"
    assert shlex.split(plan.command)[-2:] == ["--volume", f"{tmp_path}/a: b.img:/data"]
    assert {"EXT4_FS", "VIRTIO_BLK", "SYSFS"} <= {wish.symbol for wish in plan.machine.wishes}
    assert not {"EXT4_FS", "BLOCK"} & {wish.symbol for wish in make_plan(Request(app="hello"), LAYOUT).machine.wishes}


def test_a_file_for_a_volume_of_the_manifest_changes_no_image(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LAYOUT.apps / "hello", tmp_path / "hello"))
    manifest = folder / "app.toml"
    volume = '\n[[volume]]\nname = "data"\npath = "/data"\nsize_mib = 64\n'
    manifest.write_text(manifest.read_text() + volume)
    usual = make_plan(Request(app=str(folder)), LAYOUT)
    asked = make_plan(Request(app=str(folder), volumes=(volume_file("x.img:/data"),)), LAYOUT)
    assert (usual.name, usual.command) == (asked.name, asked.command)
    assert [one.file for one in usual.machine.spec.volumes] == [None]
    assert [one.file for one in asked.machine.spec.volumes] == [Path("x.img").absolute()]
    assert usual.machine.wishes == asked.machine.wishes
    arguments: dict[str, Any] = {
        "name": "n", "source": {}, "kernel": {}, "symbols": 1, "files": {}, "parts": {}, "inputs": {}, "inspection": {},
    }  # fmt: skip
    assert make_record(usual, **arguments) == make_record(asked, **arguments)


@pytest.mark.parametrize("text", ["/data", ":/data", "a.img", "a.img:data", "a.img:/", "a.img:/a/../b"])
def test_a_volume_that_cannot_be_read_or_mounted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(Request(app="hello", volumes=(volume_file(text),)), LAYOUT)
    assert "--volume FILE:/PATH" in (caught.value.hint or "")


def test_a_volume_over_files_of_the_image_is_refused() -> None:
    with pytest.raises(UsageError, match="/bin/hello would be hidden by the volume at /bin"):
        make_plan(Request(app="hello", volumes=(volume_file("a.img:/bin"),)), LAYOUT)


def test_a_finished_image_takes_files_for_its_own_volumes_only() -> None:
    own = make_plan(Request(app="hello", volumes=(volume_file("a.img:/data"),)), LAYOUT).machine.spec.volumes
    assert with_files(own, (volume_file("/b.img:/data"),))[0].file == Path("/b.img")
    assert with_files(own, ())[0].file == own[0].file
    with pytest.raises(UsageError, match="the image mounts no volume at /else; it has /data"):
        with_files(own, (volume_file("/b.img:/else"),))


def test_a_share_is_in_the_name_and_the_command_and_no_folder_in_the_record(tmp_path: Path) -> None:
    shared = SharedFolder.parse(f"{tmp_path}/a b:/pages:ro")
    plan = make_plan(Request(app="hello", shares=(shared,)), LAYOUT)
    (share,) = plan.machine.spec.shares
    assert (share.path, share.folder, share.read_only) == ("/pages", tmp_path / "a b", True)
    assert plan.name == f"hello-tiny-{share.name}"
    assert shlex.split(plan.command)[-2:] == ["--share", f"{tmp_path}/a b:/pages:ro"]
    assert {"9P_FS", "NET_9P_VIRTIO"} <= {wish.symbol for wish in plan.machine.wishes}
    writable = make_plan(Request(app="hello", shares=(SharedFolder.parse("a:/pages"),)), LAYOUT)
    assert writable.name != plan.name


def test_a_finished_image_takes_folders_for_its_own_shares_only(tmp_path: Path) -> None:
    own = make_plan(Request(app="hello", shares=(SharedFolder.parse("a:/pages:ro"),)), LAYOUT).machine.spec.shares
    assert with_folders(own, (SharedFolder.parse(f"{tmp_path}:/pages:ro"),))[0].folder == tmp_path
    with pytest.raises(UsageError, match="the image mounts no share at /else; it has /pages"):
        with_folders(own, (SharedFolder.parse("a:/else"),))
    with pytest.raises(UsageError, match="the image mounts its share at /pages read-only"):
        with_folders(own, (SharedFolder.parse("a:/pages"),))


@pytest.mark.parametrize("text", ["/data", ":/data", "a", "a:data", "a:/", "a:/a/../b", "a:/:ro"])
def test_a_share_that_cannot_be_read_or_mounted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(Request(app="hello", shares=(SharedFolder.parse(text),)), LAYOUT)
    assert "--share FOLDER:/PATH" in (caught.value.hint or "")
