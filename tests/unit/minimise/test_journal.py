# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from unilinux.core.errors import HostError
from unilinux.minimise.journal import Journal
from unilinux.minimise.result import TrialResult

GOOD = TrialResult(ok=True, loaded=3, seconds=1.5)
BAD = TrialResult(ok=False, reason="http: refused")


def test_verdicts_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "below" / "journal.jsonl"
    first = Journal(path, "context")
    first.add("one", GOOD, "without A")
    first.add("two", BAD, "without B")
    again = Journal(path, "context")
    assert (again.find("one"), again.find("two"), again.find("three")) == (GOOD, BAD, None)
    assert len(again) == 2


def test_another_context_knows_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, "old").add("one", GOOD, "")
    new = Journal(path, "new")
    assert new.find("one") is None
    new.add("one", BAD, "")
    assert Journal(path, "old").find("one") == GOOD
    assert Journal(path, "new").find("one") == BAD


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, "c")
    journal.add("one", GOOD, "")
    journal.add("two", BAD, "")
    path.write_bytes(path.read_bytes()[:-cut])
    after = Journal(path, "c")
    assert after.find("one") == GOOD
    after.add("three", GOOD, "")
    assert Journal(path, "c").find("three") == GOOD
    assert Journal(path, "c").find("one") == GOOD


def test_lines_that_are_something_else_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('[]\n{"context": "c"}\n{"context": "c", "config": "x", "ok": true, "reason": "", "loaded": "a"}\n')
    assert len(Journal(path, "c")) == 0


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match="no space left"):
        Journal(tmp_path / "journal.jsonl", "c").add("one", GOOD, "")
