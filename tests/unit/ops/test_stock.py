# SPDX-License-Identifier: GPL-2.0-only
"""A stock kernel beside ours: what is said of it, and what happens to boots that hang."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.cli.text.test_side_by_side import OTHER
from tests.unit.ops.measured import BOOT, WALL, workshop
from tests.unit.recorder import Recorder
from unilinux.cli.text.measure import stock_text
from unilinux.core.errors import BootError
from unilinux.kernel.stock import StockKernel
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.measure.boot.stages import Application, Stage
from unilinux.ops import stock
from unilinux.ops.stock import StockBoot, StockComparison
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Timeout

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def stock_boot(tmp_path: Path) -> StockBoot:
    (tmp_path / "bzImage").write_bytes(bytes(100))
    kernel = StockKernel(
        name="debian-cloud",
        package="linux-image-6.12-cloud-amd64",
        version="6.12.1-1",
        bzimage=tmp_path / "bzImage",
        config=tmp_path / "config",
    )
    boot = Boot(
        machine=compose(MachineSpec()).without_cmdline(), kernel=kernel.bzimage, evidence=tmp_path, cmdline=("quiet",)
    )
    return StockBoot(
        kernel=kernel,
        summary="Debian's",
        label="debian-cloud 6.12.1-1 with hello",
        boot=boot,
        application=Application(),
        is_server=False,
    )


def test_the_document_has_the_stages_of_both(stock_boot: StockBoot) -> None:
    found = json.loads(json.dumps(StockComparison(stock=stock_boot, boot=OTHER, wall=WALL, our_wall=WALL).document()))
    assert found["stages"]["pid1"] == {"instructions": 1_900, "spent": 1_200}
    assert found["stages"]["decompression"]["spent"] == 670
    assert (found["package"], found["bzImage"], found["symbols"]) == ("linux-image-6.12-cloud-amd64", 100, False)
    assert found["cmdline"] == "quiet"
    assert found["wall_to_application"]["theirs"]["median_s"] == 0.5


def test_people_see_both_and_how_they_compare(stock_boot: StockBoot) -> None:
    slow = replace(OTHER, stages=(Stage("pid1", 11_000_000, 11_000_000), Stage("main", 56_000_000, 45_000_000)))
    other = StockComparison(stock=stock_boot, boot=slow, wall=WALL, our_wall=WALL)
    lines = stock_text("hello-tiny", BOOT, other).splitlines()
    assert lines[0] == "against debian-cloud 6.12.1-1 with hello (Debian's), which is told: quiet"
    assert lines[1].split() == [
        "stage",
        "hello-tiny",
        "debian-cloud",
        *["hello-tiny,", "since", "reset"],
        *["debian-cloud,", "since", "reset"],
    ]
    assert "can't be told apart" in lines[-3]
    assert lines[-2] == "instructions since reset: 2 times to pid1, 10 times to main"
    assert lines[-1].endswith("hello-tiny 0.50 s (0.40 to 0.90), debian-cloud 0.50 s (0.40 to 0.90)")


def test_exits_are_compared_when_both_were_counted(stock_boot: StockBoot) -> None:
    slow = replace(OTHER, stages=(Stage("pid1", 11_000_000, 11_000_000),), exits={"pid1": {"CPUID": 11_000}})
    ours = replace(BOOT, exits={"firmware": {"fw_cfg": 70}, "pid1": {"CPUID": 430}, "exit": {"PIC": 3}})
    other = StockComparison(stock=stock_boot, boot=slow, wall=WALL, our_wall=WALL)
    assert "exits since reset: 500 and 11,000 to pid1" in stock_text("hello-tiny", ours, other).splitlines()


def tried(stock_boot: StockBoot, *failures: BootError) -> tuple[object, list[str]]:
    recorder, left = Recorder(), list(failures)

    def boot() -> str:
        if left:
            raise left.pop(0)
        return "counted"

    return stock._tried(workshop(sink=recorder), stock_boot, boot), recorder.notes


HUNG = BootError(Timeout(120, "the end of the machine").explain())


def test_a_boot_that_fails_is_tried_again_and_that_is_said(stock_boot: StockBoot) -> None:
    result, notes = tried(stock_boot, HUNG, BootError("the kernel panicked"))
    assert result == "counted"
    assert notes[0].startswith(
        "debian-cloud 6.12.1-1 with hello failed, try 1 of 3: the end of the machine did not come"
    )
    assert len(notes) == 2


def test_a_boot_that_always_fails_is_an_error(stock_boot: StockBoot) -> None:
    with pytest.raises(BootError, match="did not come within 120 s"):
        tried(stock_boot, HUNG, HUNG, HUNG)
