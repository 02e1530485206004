# SPDX-License-Identifier: GPL-2.0-only
"""What an image's record says of its inputs."""

from __future__ import annotations

from pathlib import Path

from unilinux.core.store import Output
from unilinux.image import pipeline


def output(name: str, key: str, digest: str) -> Output:
    return Output(name, key, Path("/out"), digest, cached=True, seconds=0.0)


def test_no_input_hides_another_of_the_same_step() -> None:
    outputs = [
        output("scan", "a" * 64, "of init"),
        output("kernel-tree", "k" * 64, "tree"),
        output("scan", "b" * 64, "of nginx"),
        output("kernel-tree", "k" * 64, "tree"),
    ]
    assert pipeline._inputs(outputs) == {
        "kernel-tree": "tree",
        "scan aaaaaaaaaaaa": "of init",
        "scan bbbbbbbbbbbb": "of nginx",
    }
