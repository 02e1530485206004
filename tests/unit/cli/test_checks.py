"""The quality gates that ``./x check`` runs are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.cli import checks

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("gate", checks._GATES)
def test_each_gate_is_there(gate: str) -> None:
    file, _, name = gate.partition("::")
    assert (PROJECT / file).exists()
    assert not name or f"def {name}(" in (PROJECT / file).read_text()
