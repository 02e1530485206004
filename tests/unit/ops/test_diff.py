# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.ops.measured import BOOT, EXITS, HERE, NOW, WAS
from tests.unit.ops.test_finished import image
from unilinux.cli.text.diff import diff_text
from unilinux.core.errors import UsageError
from unilinux.measure.boot.stages import Cost
from unilinux.ops import diff
from unilinux.ops.diff import ImageDiff, Measured, config_pairs, document
from unilinux.ops.finished import read_finished


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Measured, Measured]:
    first = read_finished(image(tmp_path / "one", name="one"))
    other = image(tmp_path / "two", name="two", sizes={"vmlinux": 160})
    (other / "config").write_text('CONFIG_TEXT="a b"\nCONFIG_HZ=100\n')
    exits = {"firmware": {"fw_cfg": 70}, "pid1": {"CPUID": 400, "RDMSR": 5}, "end": {"HLT": 100}}
    boot = replace(BOOT, initcalls=(Cost("pty_init", 900_500, "device"), Cost("new_init", 7, "late")), exits=exits)
    return (
        Measured(finished=first, label="one", size=WAS, boot=replace(BOOT, exits=EXITS)),
        Measured(finished=read_finished(other), label="two", size=NOW, boot=boot),
    )


def test_what_is_not_mentioned_is_off() -> None:
    was, now = {"EPOLL": "y", "SMP": "n", "HZ": "250"}, {"HZ": "100", "NET": "y"}
    assert config_pairs(was, now) == [("EPOLL", "y", "n"), ("HZ", "250", "100"), ("NET", "n", "y")]


def test_the_document_has_configurations_sizes_and_boots(pair: tuple[Measured, Measured]) -> None:
    found = json.loads(json.dumps(document(*pair)))
    assert (found["a"]["name"], found["b"]["name"]) == ("one", "two")
    assert found["config"] == [{"symbol": "EPOLL", "a": "y", "b": "n"}, {"symbol": "HZ", "a": "n", "b": "100"}]
    assert found["sizes"]["parts"] == [{"name": "vmlinux", "a": 100, "b": 160}]
    assert found["sizes"]["sections"] == [{"name": ".text", "a": 900, "b": 1500}]
    assert {"name": "net", "a": 500, "b": 1100} in found["sizes"]["subsystems"]
    assert found["boots"]["a"]["stages"]["pid1"]["instructions"] == 5_500_000
    assert {"name": "new_init", "a": None, "b": 7} in found["boots"]["initcalls"]
    assert found["boots"]["exits"] == {
        "until": "main",
        "causes": [
            {"name": "CPUID", "a": 401, "b": 400},
            {"name": "fw_cfg", "a": 70, "b": 70},
            {"name": "RDMSR", "a": None, "b": 5},
        ],
    }


def test_people_see_what_differs(pair: tuple[Measured, Measured]) -> None:
    lines = [line.split() for line in diff_text(ImageDiff(first=pair[0], second=pair[1])).splitlines()]
    assert lines[0] == ["one", "and", "two:", "2", "symbols", "differ"]
    assert ["EPOLL", "y", "n"] in lines
    assert ["vmlinux", "100", "160", "+60"] in lines
    assert ["loaded", "1,000", "1,600", "+600"] in lines
    assert ["mm", "400", "400", "+0"] not in lines
    assert ["pid1", "5,495,252", "5,495,252", "5,500,000", "5,500,000", "400", "405"] in lines
    assert ["CPUID", "401", "400", "-1"] in lines
    assert ["RDMSR", "5", "+5"] in lines
    assert not [line for line in lines if line[:1] in (["HLT"], ["fw_cfg"])]  # the first comes later, the other is same
    assert ["pty_init", "900,000", "900,500", "+500"] in lines


def test_images_that_are_the_same_say_so(pair: tuple[Measured, Measured]) -> None:
    found = diff_text(ImageDiff(first=pair[0], second=replace(pair[0], label="again")))
    assert found.startswith("one and again: 0 symbols differ\n")
    assert "sections: the same" in found
    assert "initcall " not in found
    assert "caused by" not in found


def test_without_boots_there_are_none(pair: tuple[Measured, Measured]) -> None:
    silent = [replace(each, boot=None) for each in pair]
    assert "boots" not in document(*silent)
    assert "stage" not in diff_text(ImageDiff(first=silent[0], second=silent[1]))


def test_images_of_one_name_go_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = tuple(str(image(tmp_path / name)) for name in ("one", "two"))
    monkeypatch.setattr(diff, "sizes", lambda here, folder, inputs: WAS)
    found = diff.diff(HERE, (folders[0], folders[1]), boots=False)
    assert diff_text(found).startswith(f"{folders[0]} and {folders[1]}: 0 symbols differ\n")


def test_two_images_are_needed() -> None:
    with pytest.raises(UsageError, match="two images are needed"):
        diff.diff(HERE, ("hello", ""), boots=False)
