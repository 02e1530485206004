# SPDX-License-Identifier: GPL-2.0-only
"""Choosing a kernel, and its one patched tree in the store."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.kernel.conftest import EXIT, Workshop
from unilinux.core.document import read_document
from unilinux.core.errors import DownloadError, HostError, ManifestError, PatchError, UsageError
from unilinux.core.layout import Layout
from unilinux.kernel.source import KERNELS, Kernels, find_kernel, linux_release, unpack_source

PROJECT = Path(__file__).parents[3]

KERNELS_TOML = f"""\
schema = 1
default = "6.12"

[[kernel]]
name = "6.12"
package = "linux-source-6.12"
version = "6.12.1-1"
sha256 = "{"a" * 64}"
"""


@pytest.fixture
def project(workshop: Workshop) -> Layout:
    path = workshop.layout.project / KERNELS
    path.parent.mkdir(parents=True)
    path.write_text(KERNELS_TOML)
    return workshop.layout


def test_shipped_kernels_are_valid() -> None:
    kernels = read_document(PROJECT / KERNELS, Kernels)
    assert kernels.default in {kernel.name for kernel in kernels.kernel}
    assert all(kernel.version.startswith(f"{kernel.name}.") for kernel in kernels.kernel)


def test_default_kernel(project: Layout) -> None:
    spec = find_kernel(project)
    assert spec.name == "6.12"
    assert spec.pinned is not None
    assert spec.pinned.version == "6.12.1-1"
    assert spec.series == project.project / "patches/linux-6.12"


def test_unknown_kernel(project: Layout) -> None:
    with pytest.raises(UsageError, match=r"there is no kernel '6\.21'; did you mean '6\.12'"):
        find_kernel(project, "6.21")


def test_malformed_document(project: Layout) -> None:
    path = project.project / KERNELS
    path.write_text(KERNELS_TOML.replace("sha256", "sha265"))
    with pytest.raises(ManifestError) as caught:
        find_kernel(project)
    assert any("unknown key; did you mean 'sha256'?" in line for line in caught.value.details)


def test_own_folder_and_archive(project: Layout, workshop: Workshop) -> None:
    for path in (workshop.root / "linux-6.12.1", workshop.archive):
        spec = find_kernel(project, str(path))
        assert (spec.path, spec.pinned) == (path, None)
        assert spec.series.name == "linux-6.12"


def test_own_kernel_without_a_series(project: Layout, workshop: Workshop) -> None:
    other = workshop.root / "linux-5.4.tar.xz"
    other.touch()
    with pytest.raises(UsageError, match=r"no patch series for Linux 5\.4"):
        find_kernel(project, str(other))


def test_own_kernel_that_is_none(project: Layout, workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="no Linux source tree"):
        find_kernel(project, str(workshop.series))
    (workshop.root / "notes.txt").touch()
    with pytest.raises(UsageError, match="not named like a source archive"):
        find_kernel(project, str(workshop.root / "notes.txt"))


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_tree_is_unpacked_patched_and_kept(workshop: Workshop, kind: str) -> None:
    path = workshop.archive if kind == "archive" else workshop.root / "linux-6.12.1"
    tree = workshop.tree(path)
    assert tree.release == "6.12.1"
    assert "third + 1" in (tree.path / "kernel/exit.c").read_text()
    assert (tree.path / "include/linux/unilinux.h").exists()
    assert (tree.originals / "kernel/exit.c").read_text() == EXIT
    assert not (tree.originals / "include").exists()
    assert workshop.tree(path).output.cached


def test_changed_folder_gives_another_tree(workshop: Workshop) -> None:
    folder = workshop.root / "linux-6.12.1"
    before = workshop.tree(folder).output
    (folder / "init/main.c").write_text("int changed;\n")
    assert workshop.tree(folder).output.key != before.key


def test_series_that_does_not_apply_leaves_no_tree(workshop: Workshop) -> None:
    workshop.write_source(kernel_exit_c="int nothing;\n")
    with pytest.raises(PatchError, match=r"0001-test-one\.patch"):
        workshop.tree()
    assert not [path for path in (workshop.layout.store / "kernel-tree").iterdir() if path.is_dir()]


def test_damaged_archive(workshop: Workshop) -> None:
    workshop.archive.write_bytes(workshop.archive.read_bytes()[:-100])
    with pytest.raises(DownloadError, match="cannot unpack"):
        workshop.tree()


def test_release_with_extra_version(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n")
    assert linux_release(tmp_path) == "6.13.0-rc1"
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_source_of_the_users_that_changes_while_it_is_used_makes_no_tree(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = workshop.write_source()
    path = folder if kind == "folder" else workshop.archive

    def edited(path: Path, target: Path, **words: Any) -> None:
        unpack_source(path, target, **words)
        changed = path / "kernel/exit.c" if path.is_dir() else path
        changed.write_bytes(changed.read_bytes() + b"\n")

    monkeypatch.setattr("unilinux.kernel.source.unpack_source", edited)
    with pytest.raises(HostError, match="was changed while it was being copied"):
        workshop.tree(path)
    assert path.exists()
