# SPDX-License-Identifier: GPL-2.0-only
"""The table of system calls that a configuration may lack, against the real kernel's own list."""

from __future__ import annotations

import re

import pytest

from unilinux.image.absent_calls import SYMBOLS
from unilinux.kernel.source import KernelTree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(900)]


def test_each_call_may_be_left_out(tree: KernelTree) -> None:
    stubs = re.findall(r"^COND_SYSCALL\((\w+)\);", (tree.path / "kernel/sys_ni.c").read_text(), re.MULTILINE)
    assert SYMBOLS.keys() - set(stubs) == set()


def test_each_symbol_exists(tree: KernelTree) -> None:
    texts = (path.read_text(errors="replace") for path in tree.path.rglob("Kconfig*") if path.is_file())
    known = {name for text in texts for name in re.findall(r"^(?:menu)?config (\w+)$", text, re.MULTILINE)}
    assert set(SYMBOLS.values()) - known == set()
