# SPDX-License-Identifier: GPL-2.0-only
"""The document of an observation: what it tells a search, and files that aren't one."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.observe.usage import SymbolUsage, Usage


def test_only_system_calls_count_as_use() -> None:
    called = SymbolUsage(symbol="EPOLL", status="used", calls=("epoll_wait(2)",), functions=("fs/eventpoll.o: 9 ran",))
    assert called.is_called
    assert called.lines == ("epoll_wait(2)", "fs/eventpoll.o: 9 ran")
    assert not SymbolUsage(symbol="TMPFS", status="used", functions=("mm/shmem.o: 1 of 30 ran",)).is_called
    assert not SymbolUsage(symbol="SIGNALFD", status="idle").is_called


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read .*: No such file"),
        ("{", "is not a file that ./x observe wrote"),
        ("[]", "is not a file that ./x observe wrote"),
        ('{"schema": 2, "symbols": {"A": {}}}', "is not a file that ./x observe wrote"),
        ('{"schema": 1, "symbols": {}}', "written by another version"),
    ],
    ids=["missing", "cut off", "list", "empty symbol", "schema"],
)
def test_a_file_that_is_no_observation(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "observed.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        Usage.read(path)
    assert caught.value.hint is not None
    assert "./x observe" in caught.value.hint
