# SPDX-License-Identifier: GPL-2.0-only
"""How long and how often a server is asked that doesn't answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from unilinux.verify import attempts
from unilinux.verify.attempts import Patience, Server, Verdict, ask
from unilinux.vm.outcome import Timeout
from unilinux.vm.vm import Vm


class Clock:
    """A machine whose pauses take no time of the host's."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def wait(self, timeout_s: float) -> Timeout:
        self.pauses.append(timeout_s)
        self.now_s += timeout_s
        return Timeout(timeout_s, "the end")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


def test_a_server_that_hangs_up_at_once_is_asked_until_the_time_is_up(clock: Clock) -> None:
    """Thousands of times, if so be."""
    patience: list[float] = []

    def refused(server: Server, how_long: Patience) -> Verdict:
        patience.append(how_long.first_s)
        raise ConnectionResetError("it hung up")

    verdict = ask(cast("Vm", clock), 80, refused, timeout_s=1000)
    assert verdict == Verdict(
        ok=False, detail=f"port 80: no answer within 1000 s, in {len(patience)} attempts (it hung up)"
    )
    assert len(patience) > 1100
    assert patience[:3] == [0.5, 1.0, 2.0]
    assert max(patience) == 15.0
    assert clock.pauses[:3] == [0.02, 0.04, 0.08]
    assert max(clock.pauses) == 0.5
