# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

from unilinux.kconfig.base import parse_fragment, tinyconfig_layer
from unilinux.kconfig.wish import Origin, Wish


def test_fragment_lines() -> None:
    text = '# a comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="some text"\n\nCONFIG_D=0x10\n'
    assert parse_fragment(text, "f") == (
        Wish("A", "y", Origin("f", 2)),
        Wish("B", "n", Origin("f", 3)),
        Wish("C", "some text", Origin("f", 4)),
        Wish("D", "0x10", Origin("f", 6)),
    )


def test_fragments_stand_on_each_other_as_make_merges_them(mini_tree: Path) -> None:
    names = []
    layer = tinyconfig_layer(mini_tree)
    while layer is not None:
        names.append(layer.name)
        layer = layer.base
    assert names == ["arch/x86/configs/tiny.config", "kernel/configs/tiny.config", "kernel/configs/tiny-base.config"]


def test_tree_without_fragments(tmp_path: Path) -> None:
    assert tinyconfig_layer(tmp_path) is None
