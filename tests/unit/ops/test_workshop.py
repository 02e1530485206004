# SPDX-License-Identifier: GPL-2.0-only
"""Use cases run side by side in threads, print nothing, and leave the process as it is."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ops.measured import ENGINE, LAYOUT, nginx_under_test
from unilinux.core.events import NullSink, Progress
from unilinux.image.request import Request
from unilinux.ops import memory
from unilinux.ops.host import look_at_host
from unilinux.ops.memory import measure_memory
from unilinux.ops.workshop import Workshop
from unilinux.verify.result import CheckResult, Verification
from unilinux.vm.engine import Engine


def test_two_use_cases_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    # Each waits in the middle until the other is there, too.
    both = threading.Barrier(2, timeout=20)

    def engine(request: str, cache: Path) -> Engine:
        both.wait()
        return ENGINE

    def verify(boot: Any, *more: object, **options: object) -> Verification:
        ok = boot.machine.spec.memory_mib >= 21
        return Verification(
            checks=(CheckResult(kind="http", ok=ok, detail=""),), console_tail=(), console_log=Path("x"), trouble=None
        )

    monkeypatch.setattr(memory, "build_under_test", lambda here, request, **_: nginx_under_test())
    monkeypatch.setattr(memory, "verify", verify)
    here = Workshop(layout=LAYOUT, progress=Progress(NullSink()), engine_choice=engine)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with ThreadPoolExecutor(2) as pool:
        host = pool.submit(look_at_host, here)
        least = pool.submit(measure_memory, here, Request(app="nginx"))
        assert host.result(30).engine is ENGINE
        assert least.result(30).document()["least_memory_mib"] == 21
    assert {number: signal.getsignal(number) for number in before} == before
    assert capfd.readouterr() == ("", "")
