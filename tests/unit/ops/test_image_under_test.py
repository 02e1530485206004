# SPDX-License-Identifier: GPL-2.0-only
"""The image and the machine on which it is measured."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ops.measured import HERE, nginx_under_test
from tests.unit.ops.test_finished import image
from unilinux.core.errors import UsageError
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request
from unilinux.machine.compose import compose
from unilinux.machine.spec import Forward, MachineSpec, SharedFolder, VolumeFile
from unilinux.ops import image_under_test
from unilinux.ops.image_under_test import USUAL_MEMORY_MIB, build_or_find, build_under_test


def fake_build(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Plans that would have been built."""
    built: list[Plan] = []

    def build_image(here: object, plan: Plan, *, bzimage: bool = False) -> Image:
        built.append(plan)
        return Image(plan=plan, folder=Path("/images/x"), record={"name": plan.name}, steps=())

    monkeypatch.setattr(image_under_test, "build_image", build_image)
    return built


def test_memory_changes_the_machine_and_not_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    built = fake_build(monkeypatch)
    found = build_under_test(HERE, Request(app="nginx", memory_mib=99))
    assert found.memory_mib == 99
    assert [plan.machine.spec.memory_mib for plan in built] == [found.manifest.run.memory_mib]
    assert [forward.guest for forward in found.machine.spec.forwards] == [80]
    assert build_under_test(HERE, Request(app="nginx")).memory_mib == USUAL_MEMORY_MIB


def test_no_machine_has_so_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_under_test, "build_image", lambda here, plan, **more: pytest.fail("it was built first"))
    with pytest.raises(UsageError, match="cannot have 2 MiB"):
        build_under_test(HERE, Request(app="hello", memory_mib=2))


def test_it_says_what_it_is() -> None:
    nginx = nginx_under_test()
    assert nginx.with_memory(200).describe() == {
        "image": "nginx-server",
        "app": "nginx",
        "profile": "server",
        "ring": 0,
        "syscall": "lean",
        "machine": "microvm",
        "memory_mib": 200,
        "kernel": "6.12",
    }


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an image whose manifest has changed since."""
    monkeypatch.setattr(image_under_test, "make_plan", lambda *more: pytest.fail("it was planned again"))
    return image(tmp_path / "copied away")


def test_a_finished_image_boots_by_its_record_alone(finished: Path) -> None:
    found = build_or_find(HERE, Request(app=str(finished), words=("debug",), forwards=(Forward(host=8080, guest=80),)))
    assert found.plan is None
    assert found.manifest.name == "nginx"
    assert [check.kind for check in found.manifest.verify][:1] == ["http"]
    assert found.manifest.run.stop == "SIGQUIT"
    assert found.machine == compose(
        MachineSpec(target="microvm", memory_mib=64, network=True, forwards=(Forward(host=8080, guest=80),))
    )
    boot = found.boot("run")
    assert boot.kernel == finished / "vmlinux"
    assert boot.cmdline == ("unilinux_stop=3", "quiet", "hash_dentries=512", "debug")


def test_the_command_for_a_look_inside_boots_the_same(finished: Path) -> None:
    request = Request(
        app=str(finished), memory_mib=99, words=("debug", "x=1"), initrd=finished / "config", forwards=()
    )  # fmt: skip
    words = shlex.split(build_or_find(HERE, request).run_command(request, accel="tcg"))
    assert words[:3] == ["./x", "run", str(finished)]
    assert words[3:] == [
        "--memory", "99", "--forward", "8080:80", "--cmdline", "debug x=1", "--initrd", str(finished / "config"),
        "--accel", "tcg",
    ]  # fmt: skip


def test_the_command_for_a_look_inside_names_what_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_build(monkeypatch)
    request = Request(app="redis", ring=3, syscall="trap", kernel="6.1", memory_mib=200)
    assert build_or_find(HERE, request).run_command(request) == (
        "./x run --app redis --profile server --kernel 6.1 --ring 3 --syscall trap --memory 200 --forward 6379:6379"
    )
    request = Request(app="hello")
    assert build_or_find(HERE, request).run_command(request) == "./x run --app hello --profile tiny"


def test_ports_of_the_host_are_told_apart(finished: Path) -> None:
    found = build_or_find(HERE, Request(app=str(finished)))
    served = found.manifest.run.model_copy(update={"ports": (80, 8080, 443, 8081)})
    several = replace(found, manifest=found.manifest.model_copy(update={"run": served}))
    command = several.run_command(Request(app=str(finished)))
    assert command.endswith(" --forward 8080:80 --forward 8081:8080 --forward 8443:443 --forward 8082:8081")


def test_a_finished_image_is_measured_with_the_memory_that_all_have(finished: Path) -> None:
    found = build_under_test(HERE, Request(app=str(finished)))
    assert found.memory_mib == USUAL_MEMORY_MIB
    assert [forward.guest for forward in found.machine.spec.forwards] == [80]


def test_a_target_says_which_file_is_booted(finished: Path) -> None:
    subject = build_or_find(HERE, Request(app=str(finished)))
    assert subject.boot("x").kernel == finished / "vmlinux"
    other = replace(subject.machine.target, boots="bzImage")
    compressed = replace(subject, machine=replace(subject.machine, target=other))
    assert compressed.boot("x").kernel == finished / "bzImage"


def test_what_would_take_another_image_is_refused(finished: Path) -> None:
    with pytest.raises(UsageError, match="--profile, --ring can't change it any more"):
        build_or_find(HERE, Request(app=str(finished), profile="tiny", ring=3))


def test_an_image_of_another_version_is_told_how_to_get_it_anew(tmp_path: Path) -> None:
    folder = image(tmp_path / "x", schema=1)
    with pytest.raises(UsageError, match="was written by another version") as caught:
        build_or_find(HERE, Request(app=str(folder)))
    assert caught.value.hint == "build the image anew: ./x build --app nginx --profile server"


def test_an_image_is_asked_what_its_application_promised_then(tmp_path: Path) -> None:
    folder = image(tmp_path / "x", app="gone", profile="gone too")
    record = json.loads((folder / "image.json").read_text())
    record["manifest"]["verify"] = [{"kind": "http", "port": 80, "path": "/then", "status": 200}]
    (folder / "image.json").write_text(json.dumps(record))
    subject = build_or_find(HERE, Request(app=str(folder)))
    assert [check.path for check in subject.manifest.verify if check.kind == "http"] == ["/then"]
    assert subject.describe()["profile"] == "gone too"


@pytest.mark.parametrize("changed", [{"manifest": {}}, {"machine": {"target": "q35"}}, {"manifest": 3}])
def test_a_record_that_does_not_hold(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="does not describe an image"):
        build_or_find(HERE, Request(app=str(image(tmp_path / "x", **changed))))


def test_run_keeps_the_volumes_that_the_user_names_no_file_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_build(monkeypatch)
    files = tuple(VolumeFile.parse(text) for text in (f"{tmp_path}/own.img:/own", f"{tmp_path}/b.img:/b"))
    found = build_or_find(HERE, Request(app="nginx", volumes=files))
    bare = found.with_volumes(())
    unnamed = replace(
        found,
        machine=found.machine.with_volumes(tuple(replace(one, file=None) for one in found.machine.spec.volumes)),
    )
    assert [one.file for one in bare.machine.spec.volumes] == [tmp_path / "own.img", tmp_path / "b.img"]
    kept = unnamed.with_volumes(files[:1]).keeping(tmp_path / "volumes")
    own, other = kept.machine.spec.volumes
    assert own.file == tmp_path / "own.img"
    assert other.file == tmp_path / "volumes" / "nginx" / f"{other.name}.img"


def test_the_command_that_looks_inside_names_volumes_and_shares(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_build(monkeypatch)
    request = Request(
        app="nginx",
        volumes=(VolumeFile.parse(f"{tmp_path}/own.img:/own"),),
        shares=(SharedFolder.parse(f"{tmp_path}:/pages:ro"),),
    )
    words = shlex.split(build_or_find(HERE, request).run_command(request))
    assert words.count("--volume") == words.count("--share") == 1
    assert words[words.index("--volume") + 1] == f"{tmp_path}/own.img:/own"
    assert words[words.index("--share") + 1] == f"{tmp_path}:/pages:ro"


def test_a_finished_image_is_told_its_folders_but_takes_no_others(finished: Path, tmp_path: Path) -> None:
    for request, problem in (
        (Request(app=str(finished), volumes=(VolumeFile.parse("a.img:/data"),)), "mounts no volume at /data"),
        (Request(app=str(finished), shares=(SharedFolder.parse("a:/data"),)), "mounts no share at /data"),
    ):
        with pytest.raises(UsageError, match=problem) as caught:
            build_or_find(HERE, request)
        assert "name the application instead" in (caught.value.hint or "")
