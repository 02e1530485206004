# SPDX-License-Identifier: GPL-2.0-only
"""What everything starts from: the fragments of ``make tinyconfig``."""

from __future__ import annotations

import re
from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.kconfig.wish import Layer, Origin, Wish

# In the order in which scripts/kconfig/Makefile merges them; a later one wins.
_FRAGMENTS = ("kernel/configs/tiny-base.config", "kernel/configs/tiny.config", f"{X86_64.folder}/configs/tiny.config")


def tinyconfig_layer(tree: Path) -> Layer | None:
    """The fragments as layers, each standing on the one before; files that a tree lacks are left out."""
    layer: Layer | None = None
    for name in _FRAGMENTS:
        if (tree / name).exists():
            wishes = parse_fragment((tree / name).read_text(encoding="utf-8"), name)
            layer = Layer(name=name, wishes=wishes, base=layer)
    return layer


def parse_fragment(text: str, file: str) -> tuple[Wish, ...]:
    """The lines ``CONFIG_X=value`` and ``# CONFIG_X is not set`` of a .config or a fragment of one."""
    wishes = []
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.fullmatch(r"CONFIG_(\w+)=(.*)", line.strip()):
            wishes.append(Wish(found[1], found[2].strip('"'), Origin(file, number)))
        elif found := re.fullmatch(r"# CONFIG_(\w+) is not set", line.strip()):
            wishes.append(Wish(found[1], "n", Origin(file, number)))
    return tuple(wishes)
