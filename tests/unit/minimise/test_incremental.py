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


def test_a_bench_starts_from_the_stores_objects_once(tmp_path: Path) -> None:
    folder, archive = tmp_path / "builder", {"usr/app.cpio": tmp_path / "app.cpio"}
    with incremental_builder(folder, tree(tmp_path), archive, seed=lambda: seed(tmp_path, "one"), progress=PROGRESS):
        mine = folder / "view" / OBJECTS / "fork.o"
        mine.write_text("changed")
    with incremental_builder(folder, tree(tmp_path), archive, seed=lambda: seed(tmp_path, "two"), progress=PROGRESS):
        assert mine.read_text() == "changed"
    with incremental_builder(
        folder, tree(tmp_path, "other"), archive, seed=lambda: seed(tmp_path, "x"), progress=PROGRESS
    ):
        assert mine.read_text() == "x"


def test_a_copy_that_was_interrupted_is_made_again(tmp_path: Path) -> None:
    folder, archive = tmp_path / "builder", {"usr/app.cpio": tmp_path / "app.cpio"}

    def dies() -> Output:
        (folder / "view" / OBJECTS).mkdir(parents=True)
        (folder / "view" / OBJECTS / "half.o").write_text("half")
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        incremental_builder(folder, tree(tmp_path), archive, seed=dies, progress=PROGRESS),
    ):
        pass
    with incremental_builder(folder, tree(tmp_path), archive, seed=lambda: seed(tmp_path, "one"), progress=PROGRESS):
        assert not (folder / "view" / OBJECTS / "half.o").exists()
        assert (folder / "view" / OBJECTS / "fork.o").read_text() == "one"


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
    assert "goes on where it was" in caught.value.hint


def test_a_compiler_that_found_the_disk_full_says_nothing_about_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object, **options: object) -> None:
        raise BuildError("compiling failed", details=["fork.o: No space left on device"])

    monkeypatch.setattr(incremental, "make", full)
    (tmp_path / "app.cpio").write_bytes(b"cpio")
    (tmp_path / "linux" / "usr").mkdir(parents=True)
    folder, archive = tmp_path / "b", {"usr/app.cpio": tmp_path / "app.cpio"}
    with incremental_builder(
        folder, tree(tmp_path), archive, seed=lambda: seed(tmp_path, "1"), progress=PROGRESS
    ) as one:
        (folder / "view" / OBJECTS / "usr").mkdir()
        with pytest.raises(HostError, match="too little to build kernels"):
            one.build("CONFIG_A=y\n")
