# SPDX-License-Identifier: GPL-2.0-only
"""Sizes beside another image's, with nothing built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ops.measured import HERE, NOW, WAS
from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.ops.size import SizeComparison, measure_image


def test_only_what_differs_is_compared() -> None:
    document = SizeComparison(name="hello-net", was=WAS, now=NOW, config=("EPOLL=y (was n)",)).document()
    assert document["loaded"] == 1000
    assert document["differences"]["object"] == [{"name": "net/tcp.o", "was": 500, "now": 1100}]
    assert document["differences"]["symbol"] == []
    assert document["config"] == ["EPOLL=y (was n)"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "is not the folder of an image: it has no image.json"),
        (("image.json",), "it has no vmlinux.debug"),
        (("image.json", "vmlinux.debug", "config"), "does not describe an image"),
    ],
    ids=["empty", "half", "malformed"],
)
def test_another_image_must_be_one(tmp_path: Path, files: tuple[str, ...], message: str) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError) as caught:
        measure_image(HERE, Request(app="hello"), against=str(tmp_path))
    assert message in caught.value.message
