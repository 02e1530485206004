# SPDX-License-Identifier: GPL-2.0-only
"""The quality gates are where the task looks for them."""

from __future__ import annotations

from pathlib import Path

from unilinux.ops.checks import GATES

PROJECT = Path(__file__).parents[3]


def test_gates_exist() -> None:
    assert [gate for gate in GATES if not (PROJECT / gate).exists()] == []
