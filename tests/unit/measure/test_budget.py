from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import CheckError, ManifestError
from unilinux.measure.budget import Budget, Measured, compare, config_changes, read_budget, require, write_budget

MEASURED = Measured(
    stages={"firmware": 15_000, "initcalls.device": 2_000_000, "pid1": 3_000_000, "exit": 7},
    initcalls={"pty_init": 900_000, "chr_dev_init": 100_000},
    bytes={"vmlinux": 9_000_000, "bzImage": 1_000_000},
    least_memory_mib=13,
    config={"64BIT": "y", "DEFAULT_HOSTNAME": 'a "b" \\c', "LOG_BUF_SHIFT": "14"},
)


STAGE_GREW = (
    "stage initcalls.device grew by 50,150 instructions (+2.51 %): 2,000,000 → 2,050,150; 25,075 more are tolerated"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps" / "hello" / "budget.toml"


@pytest.fixture
def budget(path: Path) -> Budget:
    write_budget(path, MEASURED, profile="tiny", machine="microvm", memory_mib=128)
    return read_budget(path)


def test_a_budget_is_read_as_it_was_written(budget: Budget) -> None:
    assert budget.stages == {"firmware": 15_000, "initcalls.device": 2_000_000, "pid1": 3_000_000}
    assert budget.initcalls == MEASURED.initcalls
    assert budget.bytes == MEASURED.bytes
    assert budget.config == MEASURED.config
    assert (budget.profile, budget.machine, budget.memory_mib, budget.least_memory_mib) == ("tiny", "microvm", 128, 13)


def test_what_was_measured_passes_its_own_budget(budget: Budget) -> None:
    comparison = compare(budget, MEASURED)
    assert comparison.ok
    assert comparison.explain() == ()
    require(comparison, app="hello")


def test_what_a_client_does_is_not_budgeted(budget: Budget) -> None:
    assert compare(budget, replace(MEASURED, stages={**MEASURED.stages, "exit": 10**9, "answer": 10**9})).ok


def test_one_percent_of_the_boot_is_too_much_and_its_initcall_is_named(budget: Budget) -> None:
    grown = replace(
        MEASURED,
        stages={**MEASURED.stages, "initcalls.device": 2_050_150},
        initcalls={**MEASURED.initcalls, "pty_init": 950_150},
    )
    with pytest.raises(CheckError) as error:
        require(compare(budget, grown), app="hello")
    assert error.value.message == "hello is over its budget in 2 points"
    assert error.value.hint == "mend it, or accept it: ./x budget --app hello --update"
    assert error.value.details == (
        STAGE_GREW,
        "the whole boot grew by 50,150 instructions (+1.00 %): 5,015,000 → 5,065,150; 25,075 more are tolerated",
        "initcall pty_init grew by 50,150 instructions (+5.57 %): 900,000 → 950,150",
        "configuration: unchanged, so it is the code",
    )


def test_a_configuration_that_adds_bytes_is_told_with_its_symbols(budget: Budget) -> None:
    config = {symbol: value for symbol, value in MEASURED.config.items() if symbol != "LOG_BUF_SHIFT"}
    grown = replace(MEASURED, bytes={**MEASURED.bytes, "vmlinux": 9_051_200}, config={**config, "IPV6": "y"})
    comparison = compare(budget, grown)
    assert comparison.explain() == (
        "vmlinux grew by 51,200 bytes (+0.57 %): 9,000,000 → 9,051,200; 16,384 more are tolerated",
        "configuration: IPV6=y (was n)",
        "configuration: LOG_BUF_SHIFT=n (was 14)",
    )


def test_a_little_more_everywhere_is_too_much(budget: Budget) -> None:
    stages = {name: count + 20_000 for name, count in MEASURED.stages.items()}
    comparison = compare(budget, replace(MEASURED, stages=stages))
    assert [verdict.subject for verdict in comparison.verdicts if not verdict.ok] == ["the whole boot"]


def test_a_stage_that_was_not_there_is_growth(budget: Budget) -> None:
    comparison = compare(budget, replace(MEASURED, stages={**MEASURED.stages, "decompression": 12_000_000}))
    assert comparison.explain()[0].startswith("stage decompression grew by 12,000,000 instructions: 0 → 12,000,000")


def test_noise_within_the_tolerance_and_shrinking_pass(budget: Budget) -> None:
    stages = {**MEASURED.stages, "pid1": 3_024_000, "initcalls.device": 1_000_000}
    comparison = compare(budget, replace(MEASURED, stages=stages))
    assert comparison.ok
    shrunk = next(verdict for verdict in comparison.verdicts if verdict.subject == "stage initcalls.device")
    assert shrunk.explain() == (
        "stage initcalls.device shrank by 1,000,000 instructions (-50.00 %): 2,000,000 → 1,000,000"
    )


def test_one_more_mib_is_too_much(budget: Budget) -> None:
    comparison = compare(budget, replace(MEASURED, least_memory_mib=14))
    assert comparison.explain()[0] == "least memory grew by 1 MiB (+7.69 %): 13 → 14"
    assert compare(budget, replace(MEASURED, least_memory_mib=None)).ok


def test_configurations_are_told_apart_by_symbol() -> None:
    assert config_changes({"A": "y", "B": "1"}, {"B": "2", "C": "y"}) == ("A=n (was y)", "B=2 (was 1)", "C=y (was n)")


def test_a_budget_of_another_schema_is_refused(budget: Budget, path: Path) -> None:
    path.write_text(path.read_text().replace("schema = 1", "schema = 2"))
    with pytest.raises(ManifestError) as error:
        read_budget(path)
    assert error.value.details == (f"{path}:2: schema: input should be 1",)


def test_a_missing_budget_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read .*budget\.toml"):
        read_budget(tmp_path / "budget.toml")
