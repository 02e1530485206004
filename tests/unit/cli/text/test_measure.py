# SPDX-License-Identifier: GPL-2.0-only
"""Measurements for people."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.ops.measured import BOOT, MEASURED, NOW, WALL, WAS
from unilinux.cli.text.measure import boot_text, size_comparison_text, size_text
from unilinux.measure.boot.stages import Cost, Stage
from unilinux.ops.size import ImageSize, SizeComparison


def test_a_boot_is_told_in_tables() -> None:
    lines = boot_text(MEASURED).splitlines()
    assert lines[0] == "hello-tiny on microvm with 128 MiB: Linux 6.12.117, ring 3, syscall trap"
    assert "pid1         5,495,252    5,500,000" in lines
    assert "pty_init       900,000  device" in lines
    assert "memset                      700,000" in lines
    assert lines[-2] == "3 counted boots agree to the instruction, up to main"
    assert lines[-1].endswith("0.50 s, 0.40 to 0.90 s in 3 runs")


def test_memory_in_use_has_a_column_of_its_own() -> None:
    lines = boot_text(replace(MEASURED, counted=BOOT.with_memory({"pid1": 12_000_000}))).splitlines()
    assert lines[1].split("  ")[-1] == "bytes in use"
    assert "pid1         5,495,252    5,500,000    12,000,000" in lines


def test_exits_have_a_column_and_a_table_by_cause() -> None:
    exits = {"firmware": {"fw_cfg": 70}, "pid1": {"CPUID": 424, "fw_cfg": 1}, "end": {"PIC": 2}}
    lines = boot_text(replace(MEASURED, counted=replace(BOOT, exits=exits))).splitlines()
    assert lines[1].split() == ["stage", "instructions", "since", "reset", "exits"]
    assert "pid1         5,495,252    5,500,000    425" in lines
    start = lines.index("exits caused by  exits to main  to the end  most of them in")
    assert [line.split() for line in lines[start + 1 : start + 4]] == [
        ["CPUID", "424", "424", "pid1"],
        ["fw_cfg", "71", "71", "firmware"],
        ["PIC", "0", "2"],
    ]


def test_boots_that_disagree_are_not_passed_over() -> None:
    text = boot_text(replace(MEASURED, disagreements=("pid1: 5, 6",)))
    assert "3 counted boots do NOT agree up to main:\npid1: 5, 6\n" in text


def test_a_server_agrees_until_it_listens() -> None:
    server = replace(BOOT, stages=(*BOOT.stages, Stage("ready", 6_000_000, 400_000)))
    assert "agree to the instruction, up to ready" in boot_text(replace(MEASURED, counted=server))


def test_one_run_agrees_with_nobody() -> None:
    text = boot_text(replace(MEASURED, wall=replace(WALL, runs=1)))
    assert "agree" not in text
    assert text.endswith("0.50 s")


def test_a_kernel_without_symbols_has_no_empty_tables() -> None:
    bare = replace(BOOT, initcalls=(), functions=(Cost("(not the kernel)", 5),))
    text = boot_text(replace(MEASURED, counted=bare))
    assert "initcall" not in text
    assert "function" not in text


def test_sizes_are_told_by_part_section_folder_and_object() -> None:
    lines = size_text(ImageSize(name="hello-tiny", subject={}, parts={"bzImage": 700}, size=NOW)).splitlines()
    assert lines[0] == "hello-tiny: 1,600 bytes are loaded, 50 more are zeroed"
    assert {"bzImage    700", ".text    1,500", "net     1,100", "mm/slub.o    400"} <= set(lines)


def test_differences_are_told_with_their_sign() -> None:
    config = tuple(f"S{number}=y (was n)" for number in range(30))
    text = size_comparison_text(SizeComparison(name="hello-net", was=WAS, now=NOW, config=config))
    assert text.startswith("against hello-net, which loads 1,000 bytes: +600\n")
    assert "net/tcp.o        +600  500  1,100" in text
    assert "symbol " not in text
    assert text.endswith("and 10 more symbols")


def test_the_same_configuration_is_said_to_be() -> None:
    assert size_comparison_text(SizeComparison(name="x", was=WAS, now=WAS, config=())).endswith(
        "configuration:\n  the same"
    )
