# SPDX-License-Identifier: GPL-2.0-only
"""The developer's operations on the series of a project, with sources that are on this host."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from tests.unit.kernel.conftest import EXIT, Workshop, git
from unilinux.core.errors import UsageError
from unilinux.core.events import Progress
from unilinux.core.files import digest_file
from unilinux.fetch.fetcher import Fetched, Fetcher
from unilinux.kernel.patches import Patches
from unilinux.kernel.source import KERNELS

KERNELS_TOML = """\
schema = 1
default = "6.12"
"""

KERNEL = """\
[[kernel]]
name = "{name}"
package = "linux-source-{name}"
version = "{name}.1-1"
sha256 = "{sha256}"
"""


@dataclass
class Shelf:
    """Stands in for a Fetcher: packages are archives that lie here."""

    archives: dict[str, Path] = field(default_factory=dict)

    def debian_package(self, package: str, version: str, sha256: str | None = None) -> Fetched:
        return Fetched(self.archives[package], version, digest_file(self.archives[package]))


@pytest.fixture
def shelf(workshop: Workshop) -> Shelf:
    newer = workshop.root / "linux-6.13.1.tar.gz"
    workshop.write_source(kernel_exit_c=EXIT.replace("int second", "long second"))
    workshop.archive.rename(newer)
    workshop.write_source()
    return Shelf({"linux-source-6.12": workshop.archive, "linux-source-6.13": newer})


@pytest.fixture
def patches(workshop: Workshop, shelf: Shelf) -> Patches:
    path = workshop.layout.project / KERNELS
    path.parent.mkdir(parents=True)
    kernels = [KERNEL.format(name=name, sha256="b" * 64) for name in ("6.12", "6.13")]
    path.write_text("\n".join([KERNELS_TOML, *kernels]))
    return Patches(
        layout=workshop.layout,
        fetcher=cast(Fetcher, shelf),
        store=workshop.store,
        progress=Progress(workshop.recorder),
    )


def test_checkout_change_export_check(patches: Patches, tmp_path: Path) -> None:
    folder = tmp_path / "work/tree"
    patches.checkout("6.12", folder)
    (folder / "kernel/exit.c").write_text("int third;\n")
    git(folder, "commit", "-a", "-q", "-s", "-m", "exit: third\n\nAs said.")
    assert [patch.subject for patch in patches.export("6.12", folder).patches][-1] == "exit: third"
    patches.check("6.12")
    assert [path.name for path in folder.parent.iterdir()] == ["tree"]


def test_port_to_another_kernel_makes_its_series(patches: Patches, tmp_path: Path) -> None:
    assert patches.names() == ("6.12",)
    series = patches.port("6.12", "6.13", tmp_path / "tree")
    assert patches.names() == ("6.12", "6.13")
    assert (series.base.package, series.base.version) == ("linux-source-6.13", "6.13.1-1")
    assert "long second" in (tmp_path / "tree/kernel/exit.c").read_text()
    patches.check("6.13")


def test_port_adds_what_a_series_lacks_and_keeps_what_it_has(patches: Patches, tmp_path: Path) -> None:
    patches.port("6.12", "6.13", tmp_path / "first")
    (tmp_path / "first/kernel/exit.c").write_text("int resolved;\n")
    git(tmp_path / "first", "commit", "-a", "-q", "--amend", "--no-edit")
    kept = patches.export("6.13", tmp_path / "first").patches
    patches.checkout("6.12", tmp_path / "work")
    (tmp_path / "work/new.c").write_text("int new;\n")
    git(tmp_path / "work", "add", "new.c")
    git(tmp_path / "work", "commit", "-q", "-s", "-m", "new: file\n\nAs said.")
    patches.export("6.12", tmp_path / "work")
    series = patches.port("6.12", "6.13", tmp_path / "second")
    assert series.patches[:-1] == kept
    assert series.patches[-1].subject == "new: file"
    assert (tmp_path / "second/kernel/exit.c").read_text() == "int resolved;\n"


def test_a_work_tree_of_another_kernel_does_not_overwrite_the_series(patches: Patches, tmp_path: Path) -> None:
    patches.port("6.12", "6.13", tmp_path / "tree")
    before = (tmp_path / "project/patches/linux-6.12/BASE").read_bytes()
    with pytest.raises(UsageError, match=r"is a work tree of linux-source-6\.13, not of linux-source-6\.12"):
        patches.export("6.12", tmp_path / "tree")
    assert (tmp_path / "project/patches/linux-6.12/BASE").read_bytes() == before


def test_no_such_series(patches: Patches, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no patch series for Linux '6\.1'; did you mean '6\.12'"):
        patches.checkout("6.1", tmp_path / "tree")


def test_work_tree_in_the_way(patches: Patches, tmp_path: Path) -> None:
    for operation in (lambda: patches.checkout("6.12", tmp_path), lambda: patches.port("6.12", "6.13", tmp_path)):
        with pytest.raises(UsageError, match="exists already"):
            operation()
