# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.measure.conftest import MEASURED
from unilinux.core.errors import ManifestError
from unilinux.measure.budget.budget import Budget, Tolerances, config_changes, read_budget, write_budget


def test_a_budget_is_read_as_it_was_written(budget: Budget) -> None:
    assert budget.stages == {"firmware": 15_000, "initcalls.device": 2_000_000, "pid1": 3_000_000}
    assert budget.initcalls == MEASURED.initcalls
    assert budget.bytes == MEASURED.bytes
    assert budget.parts == MEASURED.parts
    assert budget.config == MEASURED.config
    assert budget.tools == MEASURED.tools
    assert budget.linux == "6.12.117"
    assert (budget.profile, budget.machine, budget.memory_mib, budget.least_memory_mib) == ("tiny", "microvm", 128, 13)
    assert (budget.tolerance_percent, budget.tolerance_bytes, budget.other_tools_percent) == (0.5, 16_384, 10)


def test_tolerances_are_ones_own(budget_path: Path) -> None:
    tolerances = Tolerances(percent=1, size_bytes=7, other_tools_percent=20)
    write_budget(budget_path, MEASURED, profile="tiny", machine="q35", memory_mib=64, tolerances=tolerances)
    written = read_budget(budget_path)
    assert (written.tolerance_percent, written.tolerance_bytes, written.other_tools_percent) == (1, 7, 20)


def test_configurations_are_told_apart_by_symbol() -> None:
    assert config_changes({"A": "y", "B": "1"}, {"B": "2", "C": "y"}) == ("A=n (was y)", "B=2 (was 1)", "C=y (was n)")


def test_a_budget_of_another_schema_is_refused(budget: Budget, budget_path: Path) -> None:
    budget_path.write_text(budget_path.read_text().replace("schema = 1", "schema = 2"))
    with pytest.raises(ManifestError) as error:
        read_budget(budget_path)
    assert error.value.details == (
        f"{budget_path}:2: schema: this UniLinux reads schema 1, not 2; to write it anew, remove the file first",
    )


def test_a_budget_without_its_tools_is_refused(budget: Budget, budget_path: Path) -> None:
    budget_path.write_text(budget_path.read_text().replace("[tools]", "[tolls]"))
    with pytest.raises(ManifestError) as error:
        read_budget(budget_path)
    assert any(line.endswith("tolls: unknown key; did you mean 'tools'?") for line in error.value.details)
    assert any(line.endswith("tools: missing") for line in error.value.details)


def test_a_missing_budget_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read .*budget\.toml"):
        read_budget(tmp_path / "budget.toml")
