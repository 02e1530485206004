# SPDX-License-Identifier: GPL-2.0-only
"""What images cost over time: JSON lines that are appended and never changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unilinux.core.append import append_json_line, read_lines
from unilinux.core.errors import ManifestError


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One measurement. ``when`` is ISO 8601 in UTC, ``revision`` the project's; units as in a budget."""

    when: str
    revision: str
    app: str
    profile: str
    machine: str
    stages: dict[str, int]
    bytes: dict[str, int] = field(default_factory=dict)
    exits: dict[str, int] = field(default_factory=dict)
    least_memory_mib: int | None = None


def append_record(path: Path, record: Record) -> None:
    """Append a measurement, whole or not at all: concurrent runs don't mix their lines.

    :raise HostError: the disk is full or read-only.
    """
    append_json_line(path, asdict(record))


def read_history(path: Path, *, app: str | None = None) -> tuple[Record, ...]:
    """All measurements, oldest first; those of one application if ``app`` is given. There are none if there is no file.

    :raise ManifestError: a line isn't such a record; it says which.
    """
    found = []
    for number, line in read_lines(path):
        try:
            record = _checked(Record(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ManifestError(
                f"{path}:{number}: not a measurement: {error}", hint="remove that line: the others are not affected"
            ) from error
        if app is None or record.app == app:
            found.append(record)
    return tuple(found)


def _checked(record: Record) -> Record:
    """The record, if its values are what they should be.

    :raise TypeError: one isn't.
    """
    texts = (record.when, record.revision, record.app, record.profile, record.machine)
    tables: tuple[Any, ...] = (record.stages, record.bytes, record.exits)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("when, revision, app, profile and machine are texts")
    if not all(isinstance(table, dict) and all(type(value) is int for value in table.values()) for table in tables):
        raise TypeError("stages, bytes and exits are numbers by name")
    if not isinstance(record.least_memory_mib, int | None):
        raise TypeError("least_memory_mib is a number")
    return record
