# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

from unilinux.ops.evidence import evidence_folder


def test_each_boot_of_an_image_has_a_folder_of_its_own_beside_the_image(tmp_path: Path) -> None:
    first, second = evidence_folder(tmp_path, "verify"), evidence_folder(tmp_path, "verify")
    assert first.is_dir()
    assert second.is_dir()
    assert first != second
    assert {first.parent, second.parent} == {tmp_path / "runs"}
