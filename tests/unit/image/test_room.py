# SPDX-License-Identifier: GPL-2.0-only
"""Files that can't be in the guest's memory are told before a boot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.pipeline import _require_room
from unilinux.image.request import Request, make_plan
from unilinux.link.carrier import Cargo

PROJECT = Path(__file__).parents[3]
PLAN = make_plan(Request(app="hello"), Layout(project=PROJECT, cache=PROJECT / "none", build=PROJECT / "build"))
CARGO = Cargo(files={}, digest="d", size_bytes=17 << 20, initrd=Path("a.cpio"))


def test_files_that_do_not_fit_twice_are_refused_with_the_least_that_helps() -> None:
    with pytest.raises(
        UsageError, match="files have 17 MiB and are in memory twice .*: 32 MiB are too little"
    ) as caught:
        _require_room(PLAN, CARGO)
    assert "--pack erofs" in (caught.value.hint or "")
    assert "--memory with more than 34" in (caught.value.hint or "")
    assert "apps/hello/app.toml" in (caught.value.hint or "")


def test_what_fits_is_fine_and_so_is_what_is_not_unpacked() -> None:
    for cargo in (replace(CARGO, size_bytes=15 << 20), replace(CARGO, initrd=None)):
        assert _require_room(PLAN, cargo) is cargo
