# SPDX-License-Identifier: GPL-2.0-only
"""Wishes that are meant for one kernel: which of them an image gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import ManifestError, UsageError
from unilinux.core.layout import Layout
from unilinux.image.kernels import on_kernel
from unilinux.kconfig.wish import Layer, Origin, Wish

KERNEL = """
[[kernel]]
name = "{name}"
package = "linux-source-{name}"
version = "{name}.1-1"
sha256 = "{digest}"
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A project with two pinned kernels, and a series for a third."""
    (tmp_path / "configs").mkdir()
    kernels = [KERNEL.format(name=name, digest="b" * 64) for name in ("6.1", "6.12")]
    (tmp_path / "configs/kernels.toml").write_text("\n".join(['schema = 1\ndefault = "6.12"', *kernels]))
    for name in ("6.1", "6.6", "6.12"):
        (tmp_path / f"patches/linux-{name}").mkdir(parents=True)
    return Layout(project=tmp_path, cache=tmp_path / "cache", build=tmp_path / "build")


def layer(*kernels: str) -> Layer:
    """A layer with one wish for each kernel."""
    wishes = tuple(Wish(f"S{n}", "y", Origin("p.toml", n), kernel=name) for n, name in enumerate(kernels, start=1))
    return Layer(name="profile p", wishes=wishes)


def symbols(layout: Layout, kernel: str | None, *kernels: str) -> list[str]:
    return [wish.symbol for found in on_kernel([layer(*kernels)], layout, kernel) for wish in found.wishes]


def test_the_usual_kernel_gets_what_is_meant_for_it(layout: Layout) -> None:
    assert symbols(layout, None, "", "6.12", "6.1", "6.6") == ["S1", "S2"]
    assert symbols(layout, "6.1", "", "6.12", "6.1", "6.6") == ["S1", "S3"]


def test_a_tree_of_the_users_gets_what_is_meant_for_its_series(layout: Layout) -> None:
    tree = layout.project / "linux"
    tree.mkdir()
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 6\nSUBLEVEL = 30\nEXTRAVERSION =\n")
    assert symbols(layout, str(tree), "", "6.12", "6.1", "6.6") == ["S1", "S4"]


def test_a_kernel_that_nobody_knows_is_named_with_its_place(layout: Layout) -> None:
    with pytest.raises(ManifestError) as caught:
        symbols(layout, None, "", "6.21")
    assert caught.value.details == (
        "p.toml:2: S2: there is no kernel '6.21'; did you mean '6.1'? (known: 6.1, 6.12, 6.6)",
    )


def test_an_optional_wish_is_for_series_that_have_the_symbol(layout: Layout) -> None:
    wish = Wish("UNILINUX_SYSCALLS", "y", Origin("entry.py"), optional=True)
    (layout.project / "patches/linux-6.12/0001-a.patch").write_text("+++ b/init/Kconfig\n+config UNILINUX_SYSCALLS\n")
    (layout.project / "patches/linux-6.1/0001-a.patch").write_text("+config UNILINUX_SYSCALLS_LIST\n-config A\n")
    asked = [Layer(name="syscalls", wishes=(wish,))]
    assert on_kernel(asked, layout, "6.12")[0].wishes == (wish,)
    assert on_kernel(asked, layout, "6.1")[0].wishes == ()
    insisted = [Layer(name="syscalls", wishes=(replace(wish, optional=False),))]
    assert on_kernel(insisted, layout, "6.1")[0].wishes != ()


def test_no_such_kernel(layout: Layout) -> None:
    with pytest.raises(UsageError, match=r"no kernel '5\.4'"):
        symbols(layout, "5.4", "")
