# SPDX-License-Identifier: GPL-2.0-only
"""A series is read whole, its faults all at once; what doesn't apply is named to the hunk."""

from __future__ import annotations

import pytest

from tests.unit.kernel.conftest import EXIT, Workshop
from unilinux.core.errors import ManifestError, PatchError
from unilinux.kernel.series import apply_series, load_series


def test_series_knows_its_patches(workshop: Workshop) -> None:
    series = load_series(workshop.series)
    assert [patch.subject for patch in series.patches] == ["test: one", "test: two"]
    assert series.files == ("include/linux/unilinux.h", "kernel/exit.c")
    assert series.base.version == "6.12.1-1"


def test_digest_follows_content_and_order_but_not_the_base(workshop: Workshop) -> None:
    before = load_series(workshop.series).digest
    base = workshop.series / "BASE"
    base.write_text(base.read_text().replace("6.12.1-1", "6.12.2-1"))
    assert load_series(workshop.series).digest == before
    patch = workshop.series / "0001-test-one.patch"
    patch.write_text(patch.read_text().replace("That is why", "This is why"))
    assert load_series(workshop.series).digest != before


def test_all_faults_at_once(workshop: Workshop) -> None:
    patch = workshop.series / "0001-test-one.patch"
    patch.write_text(patch.read_text().replace("Signed-off-by: ", "Signed: "))
    (workshop.series / "stray.patch").write_text("")
    (workshop.series / "series").write_text("0001-test-one.patch\n0003-none.patch\n# a comment\n")
    with pytest.raises(PatchError) as caught:
        load_series(workshop.series)
    assert caught.value.details == (
        "0003-none.patch: listed in series, but there is no such file",
        "0002-test-two.patch: not listed in series",
        "stray.patch: not listed in series",
        "0003-none.patch: patch 2 must be named 0002-….patch",
        "0001-test-one.patch: has no Signed-off-by",
    )


def test_no_series_file(workshop: Workshop) -> None:
    (workshop.series / "series").unlink()
    with pytest.raises(PatchError, match="no file named 'series'"):
        load_series(workshop.series)


def test_no_base(workshop: Workshop) -> None:
    (workshop.series / "BASE").unlink()
    with pytest.raises(ManifestError, match="BASE"):
        load_series(workshop.series)


def test_patch_that_does_not_apply_is_named_with_file_and_hunk(workshop: Workshop) -> None:
    tree = workshop.write_source(kernel_exit_c=EXIT.replace("third = second", "third = first"))
    with pytest.raises(PatchError) as caught:
        apply_series(load_series(workshop.series), tree, release="6.12.9")
    assert caught.value.message == ("patch 0001-test-one.patch (1 of 2 in linux-6.12) doesn't apply to Linux 6.12.9")
    assert caught.value.details[0] == "kernel/exit.c: hunk 1, at line 4, doesn't fit:"
    assert "-\treturn third;" in caught.value.details
    assert "patches.port" in (caught.value.hint or "")


def test_there_is_no_fuzz(workshop: Workshop) -> None:
    """GNU patch would put this one in with fuzz 1: the first line of the context differs."""
    tree = workshop.write_source(kernel_exit_c=EXIT.replace("int second = first;", "int second = 0;"))
    with pytest.raises(PatchError, match="doesn't apply"):
        apply_series(load_series(workshop.series), tree, release="6.12.9")


def test_moved_lines_are_no_fault(workshop: Workshop) -> None:
    tree = workshop.write_source(kernel_exit_c="/* new */\n" * 9 + EXIT)
    apply_series(load_series(workshop.series), tree, release="6.12.9")
    assert "third + 1" in (tree / "kernel/exit.c").read_text()


def test_missing_file_is_named(workshop: Workshop) -> None:
    tree = workshop.write_source()
    (tree / "kernel/exit.c").unlink()
    with pytest.raises(PatchError) as caught:
        apply_series(load_series(workshop.series), tree, release="6.12.9")
    assert caught.value.details == ("kernel/exit.c: No such file or directory",)
