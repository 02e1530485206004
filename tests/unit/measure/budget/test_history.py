# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import ManifestError
from unilinux.measure.budget.history import Record, append_record, read_history

RECORD = Record(
    when="2026-01-02T03:04:05Z",
    revision="0123456789",
    app="hello",
    profile="tiny",
    machine="microvm",
    stages={"pid1": 5_000_000},
    bytes={"vmlinux": 9_000_000},
)


def test_records_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "history" / "boots.jsonl"
    other = replace(RECORD, app="nginx", least_memory_mib=18)
    for record in (RECORD, other, RECORD):
        append_record(path, record)
    assert read_history(path) == (RECORD, other, RECORD)
    assert read_history(path, app="nginx") == (other,)
    assert len(path.read_text().splitlines()) == 3


def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "boots.jsonl"
    append_record(path, RECORD)
    append_record(path, RECORD)
    path.write_bytes(path.read_bytes()[:-9])
    assert read_history(path) == (RECORD,)
    append_record(path, replace(RECORD, exits={"CPUID": 424}))
    assert [record.exits for record in read_history(path)] == [{}, {"CPUID": 424}]


def test_no_file_is_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path / "none.jsonl") == ()


GOOD = '{"when": "w", "revision": "r", "app": "a", "profile": "p", "machine": "m", "stages": %s}'


@pytest.mark.parametrize(
    "line",
    ["{", '{"when": 1}', "[]", "\x00", GOOD % '"none"', GOOD % '{"pid1": "5"}', (GOOD % "{}").replace('"a"', "7")],
)
def test_a_line_that_is_no_measurement_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "boots.jsonl"
    append_record(path, RECORD)
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ManifestError, match=r"boots\.jsonl:2: not a measurement") as error:
        read_history(path)
    assert error.value.hint == "remove that line: the others are not affected"


def test_a_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "boots.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ManifestError, match=r"boots\.jsonl:1: not a measurement"):
        read_history(path)
