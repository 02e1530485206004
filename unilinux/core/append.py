# SPDX-License-Identifier: GPL-2.0-only
"""Files of JSON lines that only grow: a line is in the file whole, or it isn't there.

Several processes may append to one file. A process that is killed, or a power cut, can leave an unfinished last line:
readers pass over it, and the next append removes it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unilinux.core.files import explained_disk_errors, flush_file

_BLOCK_BYTES = 1 << 16


def append_json_line(path: Path, value: Mapping[str, Any]) -> None:
    """Append one JSON object; it is on the disk when this returns. The folder is made when it is missing.

    :raise HostError: the disk is full or read-only; the file is then as it was.
    """
    line = json.dumps(value, sort_keys=True).encode() + b"\n"
    with explained_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # released when the descriptor is closed, even by a kill
            end = _end_of_last_line(descriptor)
            try:
                os.ftruncate(descriptor, end)
                _write_all(descriptor, line, end)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            flush_file(path.parent.resolve())


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The complete lines of such a file, numbered from 1; none when there is no file. Blank lines are left out.

    An unfinished last line is passed over. What a line holds isn't looked at.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    *lines, rest = data.split(b"\n")
    if _is_json(rest):  # the last line of a file that somebody edited
        lines.append(rest)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.decode(errors="replace")


def _end_of_last_line(descriptor: int) -> int:
    """Where the next line begins: behind the last newline, or behind a whole object that lacks only its newline."""
    end = size = os.fstat(descriptor).st_size
    rest = b""
    while end > 0 and b"\n" not in rest:
        begin = max(0, end - _BLOCK_BYTES)
        rest = os.pread(descriptor, end - begin, begin) + rest
        end = begin
    rest = rest.rpartition(b"\n")[2]
    if not rest:
        return size
    if _is_json(rest):
        _write_all(descriptor, b"\n", size)
        return size + 1
    return size - len(rest)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _write_all(descriptor: int, data: bytes, position: int) -> None:
    # A write may be short: on a disk that fills up, and when a signal comes.
    while data:
        written = os.pwrite(descriptor, data, position)
        data, position = data[written:], position + written
