# SPDX-License-Identifier: GPL-2.0-only
"""The builder without a compiler: whom it lets in, what it starts from, and a disk that is full."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from unilinux.core.errors import BuildError, HostError
from unilinux.core.events import NullSink, Progress
from unilinux.core.store import Output
from unilinux.kernel.make import OBJECTS
from unilinux.kernel.source import KernelTree
from unilinux.minimise import incremental
from unilinux.minimise.incremental import incremental_builder

PROGRESS = Progress(NullSink())


def tree(tmp_path: Path, digest: str = "tree") -> KernelTree:
    (tmp_path / "linux").mkdir(exist_ok=True)
    return cast(
        "KernelTree",
        SimpleNamespace(path=tmp_path / "linux", output=SimpleNamespace(digest=digest), release="6.12.117"),
    )


def seed(tmp_path: Path, text: str) -> Output:
    folder = tmp_path / f"seed-{text}"
    (folder / OBJECTS).mkdir(parents=True)
    (folder / OBJECTS / "fork.o").write_text(text)
    return Output("kernel-objects", "key", folder, "digest", cached=True, seconds=0.0)


class Make:
    """Compiles nothing; ``fork.o`` is what the last build found."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "linux").mkdir()
        (tmp_path / "app.cpio").write_bytes(b"cpio")
        self.found = ""
        self.goals: list[object] = []
        monkeypatch.setattr(incremental, "make", self)
        monkeypatch.setattr(incremental, "view", lambda tree, place: place)
        monkeypatch.setattr(incremental.IncrementalBuilder, "_result", lambda builder, objects, log: None)

    def __call__(self, place: Path, targets: object, **options: object) -> None:
        self.goals.append(targets)
        self.found = (place / OBJECTS / "fork.o").read_text()
        (place / OBJECTS / "fork.o").write_text("changed")


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    return Make(monkeypatch, tmp_path)


def build(tmp_path: Path, text: str, digest: str = "tree", *, discard: bool = False) -> None:
    made = incremental_builder(
        tmp_path / "builder",
        tree(tmp_path, digest),
        {"app.cpio": tmp_path / "app.cpio"},
        seed=lambda: seed(tmp_path, text),
        progress=PROGRESS,
    )
    with made as builder:
        builder.build("CONFIG_A=y\n")
        if discard:
            builder.discard()


def test_a_builder_starts_from_the_stores_objects_once_for_each_kernel(tmp_path: Path, compiler: Make) -> None:
    build(tmp_path, "one")
    assert compiler.found == "one"
    build(tmp_path, "two")
    assert compiler.found == "changed"
    build(tmp_path, "x", "other")
    assert compiler.found == "x"


def test_only_what_qemu_boots_is_made(tmp_path: Path, compiler: Make) -> None:
    build(tmp_path, "one")
    assert compiler.goals == [["vmlinux"]]


def test_objects_that_are_not_needed_any_more_are_removed(tmp_path: Path, compiler: Make) -> None:
    build(tmp_path, "one", discard=True)
    assert not (tmp_path / "builder" / "view").exists()
    build(tmp_path, "two")
    assert compiler.found == "two"


def test_nothing_is_copied_before_there_is_something_to_build(tmp_path: Path) -> None:
    def asked() -> Output:
        raise AssertionError("nobody builds")

    with incremental_builder(tmp_path / "builder", tree(tmp_path), {}, seed=asked, progress=PROGRESS):
        pass
    assert not (tmp_path / "builder" / "view").exists()


def test_a_copy_that_was_interrupted_is_made_again(tmp_path: Path, compiler: Make) -> None:
    objects = tmp_path / "builder" / "view" / OBJECTS

    def dies() -> Output:
        objects.mkdir(parents=True)
        (objects / "half.o").write_text("half")
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        incremental_builder(tmp_path / "builder", tree(tmp_path), {}, seed=dies, progress=PROGRESS) as builder,
    ):
        builder.build("CONFIG_A=y\n")
    build(tmp_path, "one")
    assert not (objects / "half.o").exists()
    assert compiler.found == "one"


def test_a_disk_that_is_nearly_full_is_said_before_anything_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = {"usr/app.cpio": tmp_path / "app.cpio"}
    with incremental_builder(
        tmp_path / "b", tree(tmp_path), archive, seed=lambda: seed(tmp_path, "1"), progress=PROGRESS
    ) as one:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5 << 20))
        with pytest.raises(HostError, match="5 MiB are left") as caught:
            one.build("CONFIG_A=y\n")
    assert caught.value.hint is not None
    assert "continues where it was" in caught.value.hint


def test_a_compiler_that_found_the_disk_full_says_nothing_about_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object, **options: object) -> None:
        raise BuildError("compiling failed", details=["fork.o: No space left on device"])

    monkeypatch.setattr(incremental, "make", full)
    (tmp_path / "app.cpio").write_bytes(b"cpio")
    (tmp_path / "linux" / "usr").mkdir(parents=True)
    folder, archive = tmp_path / "b", {"usr/app.cpio": tmp_path / "app.cpio"}
    with (
        incremental_builder(
            folder, tree(tmp_path), archive, seed=lambda: seed(tmp_path, "1"), progress=PROGRESS
        ) as one,
        pytest.raises(HostError, match="too little to build kernels"),
    ):
        one.build("CONFIG_A=y\n")
