from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.cli import checks

PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("gate", checks._GATES)
def test_every_gate_is_there(gate: str) -> None:
    path, _, name = gate.partition("::")
    assert (PROJECT / path).exists()
    assert not name or f"def {name}(" in (PROJECT / path).read_text()
