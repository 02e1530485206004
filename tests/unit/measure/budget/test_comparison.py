# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.measure.conftest import MEASURED
from unilinux.core.errors import CheckError
from unilinux.measure.budget.budget import Budget
from unilinux.measure.budget.comparison import compare, require_all

STAGE_GREW = (
    "stage initcalls.device grew by 50,150 instructions (+2.51 %): 2,000,000 → 2,050,150; 25,075 more are tolerated"
)


def test_what_was_measured_passes_its_own_budget(budget: Budget) -> None:
    comparison = compare(budget, MEASURED)
    assert comparison.ok
    assert comparison.explain() == ()
    require_all({"hello": comparison})


def test_what_a_client_does_is_not_budgeted(budget: Budget) -> None:
    assert compare(budget, replace(MEASURED, stages={**MEASURED.stages, "exit": 10**9, "answer": 10**9})).ok


def test_one_percent_of_the_boot_is_too_much_and_its_initcall_is_named(budget: Budget) -> None:
    grown = replace(
        MEASURED,
        stages={**MEASURED.stages, "initcalls.device": 2_050_150},
        initcalls={**MEASURED.initcalls, "pty_init": 950_150},
    )
    with pytest.raises(CheckError) as error:
        require_all({"hello": compare(budget, grown)})
    assert error.value.message == "hello is over its budget in 2 points"
    assert error.value.hint == "mend it, or accept it: ./x budget --app hello --update"
    assert error.value.details == (
        STAGE_GREW,
        "the whole boot grew by 50,150 instructions (+1.00 %): 5,015,000 → 5,065,150; 25,075 more are tolerated",
        "initcall pty_init grew by 50,150 instructions (+5.57 %): 900,000 → 950,150",
        "configuration: unchanged, so it is the code",
    )


def test_more_exits_are_too_many_and_their_cause_is_named(budget: Budget) -> None:
    grown = compare(budget, replace(MEASURED, exits={"I/O APIC": 700, "CPUID": 406, "PIC": 1}))
    assert not grown.ok
    assert grown.explain()[:1] == ("all exits grew by 7 exits (+0.64 %): 1,100 → 1,107; 6 more are tolerated",)
    fewer = compare(budget, replace(MEASURED, exits={"CPUID": 400}))
    assert fewer.ok


def test_a_budget_without_exits_does_not_limit_them(budget: Budget) -> None:
    old = budget.model_copy(update={"exits": {}})
    assert compare(old, replace(MEASURED, exits={"CPUID": 10**6})).ok


def test_a_configuration_that_adds_bytes_is_told_with_its_symbols(budget: Budget) -> None:
    config = {symbol: value for symbol, value in MEASURED.config.items() if symbol != "LOG_BUF_SHIFT"}
    grown = replace(
        MEASURED,
        bytes={**MEASURED.bytes, "vmlinux": 9_051_200},
        parts={"net/ipv4": 71_000, "mm": 8_000, "net/ipv6": 40_000},
        config={**config, "IPV6": "y"},
    )
    comparison = compare(budget, grown)
    assert comparison.explain() == (
        "vmlinux grew by 51,200 bytes (+0.57 %): 9,000,000 → 9,051,200; 16,384 more are tolerated",
        "in net/ipv6 grew by 40,000 bytes: 0 → 40,000",
        "in net/ipv4 grew by 1,000 bytes (+1.43 %): 70,000 → 71,000",
        "configuration: IPV6=y (was n), LOG_BUF_SHIFT=n (was 14)",
    )
    many = replace(grown, config={**config, **{f"OPTION_{number}": "y" for number in range(30)}})
    lines = [line for line in compare(budget, many).explain() if line.startswith("configuration: ")]
    assert len(lines) < 12
    assert ", ".join(line.removeprefix("configuration: ").rstrip(",") for line in lines).count("=y (was n)") == 30


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


def test_another_compiler_is_named_and_makes_all_tolerances_wider(budget: Budget) -> None:
    tools = {**MEASURED.tools, "gcc": "gcc 14.2.0"}
    within = replace(MEASURED, bytes={"vmlinux": 9_899_000, "bzImage": 1_099_000}, least_memory_mib=15, tools=tools)
    comparison = compare(budget, within)
    assert comparison.ok
    assert not comparison.exact
    assert comparison.tools == ("gcc is “gcc 14.2.0”; the budget is of “gcc 12.2.0”",)
    beyond = compare(budget, replace(within, bytes={"vmlinux": 9_901_000}, stages={"pid1": 3_600_000}))
    assert [verdict.subject for verdict in beyond.verdicts if not verdict.ok] == ["stage pid1", "vmlinux"]
    assert comparison.tools[0] in beyond.explain()


def test_the_same_tools_are_exact(budget: Budget) -> None:
    assert compare(budget, MEASURED).exact


def test_another_point_release_is_named_when_something_grew(budget: Budget) -> None:
    grown = replace(MEASURED, linux="6.12.118", bytes={"bzImage": 2_000_000})
    assert "Linux 6.12.118, no longer 6.12.117" in compare(budget, grown).explain()


def test_several_applications_are_told_apart(budget: Budget) -> None:
    bad = compare(budget, replace(MEASURED, least_memory_mib=14))
    with pytest.raises(CheckError) as error:
        require_all({"hello": bad, "lua": compare(budget, MEASURED), "nginx": bad})
    assert error.value.message == "hello, nginx are over their budgets"
    assert error.value.hint == "mend it, or accept it: ./x budget --app hello --app nginx --update"
    assert [line for line in error.value.details if "least" in line] == [
        "hello: least memory grew by 1 MiB (+7.69 %): 13 → 14",
        "nginx: least memory grew by 1 MiB (+7.69 %): 13 → 14",
    ]
