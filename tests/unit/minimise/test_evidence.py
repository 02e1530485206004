from __future__ import annotations

import json
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.minimise.evidence import Seen, read_evidence


def test_calls_come_before_functions_and_only_they_count_as_use(tmp_path: Path) -> None:
    symbols = {
        "EPOLL": {"status": "used", "calls": ["epoll_wait(2)"], "functions": ["fs/eventpoll.o: 9 of 12 ran"]},
        "TMPFS": {"status": "used", "calls": [], "functions": ["mm/shmem.o: 1 of 30 ran"]},
        "SIGNALFD": {"status": "idle", "calls": [], "functions": ["fs/signalfd.o: none of 7 ran"]},
    }
    (tmp_path / "observed.json").write_text(json.dumps({"schema": 1, "symbols": symbols}))
    assert read_evidence(tmp_path / "observed.json") == Seen(
        lines={
            "EPOLL": ("epoll_wait(2)", "fs/eventpoll.o: 9 of 12 ran"),
            "TMPFS": ("mm/shmem.o: 1 of 30 ran",),
            "SIGNALFD": ("fs/signalfd.o: none of 7 ran",),
        },
        used=frozenset({"EPOLL"}),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no observation"),
        ("{", "holds no observation"),
        ("[]", "holds no observation"),
        ('{"schema": 1, "symbols": {"A": {}}}', "holds no observation"),
        ('{"schema": 7, "symbols": {}}', "of another version"),
    ],
    ids=["missing", "cut off", "list", "empty symbol", "schema"],
)
def test_what_is_no_observation_is_said_to_be_none(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "observed.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_evidence(path)
    assert caught.value.hint is not None
    assert "./x observe" in caught.value.hint
