# SPDX-License-Identifier: GPL-2.0-only
"""A log with a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.vm.log import CappedLog


def logged(path: Path, count: int, *, head: int, tail: int) -> list[str]:
    log = CappedLog(path, head_bytes=head, tail_bytes=tail)
    for number in range(count):
        log.line(f"line {number:04}")  # ten bytes with its end
    log.close()
    log.close()
    return path.read_text().splitlines()


def test_a_short_log_is_whole(tmp_path: Path) -> None:
    assert logged(tmp_path / "log", 3, head=1000, tail=100) == ["line 0000", "line 0001", "line 0002"]


def test_what_fits_into_head_and_tail_is_whole(tmp_path: Path) -> None:
    assert logged(tmp_path / "log", 8, head=50, tail=30) == [f"line {number:04}" for number in range(8)]


def test_a_long_log_keeps_its_beginning_and_its_end_and_says_what_is_missing(tmp_path: Path) -> None:
    lines = logged(tmp_path / "log", 1000, head=20, tail=30)
    assert lines[:2] == ["line 0000", "line 0001"]
    assert lines[2] == "--- 995 lines (9,950 characters) are left out here ---"
    assert lines[3:] == ["line 0997", "line 0998", "line 0999"]


def test_one_long_line_is_kept(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", head_bytes=10, tail_bytes=10)
    log.line("x" * 100)
    log.close()
    assert (tmp_path / "log").read_text() == "x" * 100 + "\n"


def test_a_full_disk_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    log = CappedLog(tmp_path / "log")
    log.line("one")
    log.close()
    assert log.failure is not None


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        CappedLog(tmp_path)
