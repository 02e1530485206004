# SPDX-License-Identifier: GPL-2.0-only
"""Files of JSON lines: whole lines or none, whatever happens to those who write."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unilinux.core.append import append_json_line, read_lines
from unilinux.core.errors import HostError


def objects(path: Path) -> list[object]:
    return [json.loads(line) for _, line in read_lines(path)]


def test_lines_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "below" / "lines.jsonl"
    assert list(read_lines(path)) == []
    append_json_line(path, {"b": 1, "a": "ä"})
    append_json_line(path, {"c": None})
    assert list(read_lines(path)) == [(1, '{"a": "\\u00e4", "b": 1}'), (2, '{"c": null}')]


def test_a_write_that_is_short_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: whole(descriptor, data[:3], offset))
    append_json_line(tmp_path / "lines", {"number": 12345})
    assert (tmp_path / "lines").read_text() == '{"number": 12345}\n'


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "lines"
    append_json_line(path, {"number": 1})
    before, original = path.read_bytes(), getattr(os, call)

    def full(*arguments: object) -> int:
        if call == "pwrite":  # a part of it still fits
            descriptor, data, offset = arguments
            if len(data) > 4:  # type: ignore[arg-type]
                return int(original(descriptor, data[:4], offset))  # type: ignore[index]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(HostError, match="no space left"):
        append_json_line(path, {"number": 2})
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", range(1, 14))
def test_an_unfinished_line_is_passed_over_and_then_replaced(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "lines"
    append_json_line(path, {"number": 1})
    append_json_line(path, {"number": 2})
    path.write_bytes(path.read_bytes()[:-cut])
    known = [{"number": 1}, {"number": 2}] if cut == 1 else [{"number": 1}]  # only the newline is missing
    assert objects(path) == known
    append_json_line(path, {"number": 3})
    assert objects(path) == [*known, {"number": 3}]
    assert path.read_text().count("\n") == len(known) + 1


def test_a_long_last_line_is_found_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    append_json_line(path, {"text": "x" * 200_000})
    with path.open("ab") as file:
        file.write(b'{"text": "' + b"y" * 200_000)
    append_json_line(path, {"text": "z"})
    assert [one["text"][0] for one in objects(path)] == ["x", "z"]  # type: ignore[index]


def test_concurrent_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    code = (
        "import sys; from pathlib import Path; from unilinux.core.append import append_json_line\n"
        "for i in range(40): append_json_line(Path(sys.argv[1]), {'who': sys.argv[2] * 5000, 'i': i})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = objects(path)
    assert len(found) == 120
    assert {one["who"] for one in found} == {name * 5000 for name in "abc"}  # type: ignore[index]
