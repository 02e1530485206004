# SPDX-License-Identifier: GPL-2.0-only
"""What an observation says, with nothing built and nothing booted."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.ops.measured import workshop
from unilinux.cli.text.observe import evidence_text, symbol_text
from unilinux.core.layout import Layout
from unilinux.image.request import Request
from unilinux.observe.coverage import ObjectUse
from unilinux.observe.observe import Observation
from unilinux.observe.trace import CallUse
from unilinux.observe.usage import SymbolUsage, Unavailable, Usage
from unilinux.ops import observe

PROJECT = Path(__file__).parents[3]
IMAGE = {"image": "toy-server-ring3-trap", "kernel": "6.12.117", "machine": "microvm", "ring": 3}
EPOLL = SymbolUsage(
    symbol="EPOLL",
    status="used",
    calls=("epoll_pwait in serve: 7 ×",),
    functions=("fs/eventpoll.o: 2 of 4 functions ran in use (do_epoll_wait, ep_poll)",),
    ran=(2, 0, 2),
    objects=("fs/eventpoll.o",),
    size=10_000,
)
SYMBOLS = (
    EPOLL,
    SymbolUsage(symbol="UNIX", status="boot", functions=("net/unix/af_unix.o: 1 of 9",), size=25_000),
    SymbolUsage(symbol="BPF", status="idle", functions=("kernel/bpf/core.o: none of 80",), size=21_000),
    SymbolUsage(symbol="HZ_100", status="unseen"),
)
USAGE = Usage(
    image=IMAGE,
    calls=(
        CallUse(by="init", number=1, name="write", count=8),
        CallUse(by="application", number=281, name="epoll_pwait", place="serve", count=7),
    ),
    objects=(ObjectUse(path="fs/eventpoll.o", used=("do_epoll_wait", "ep_poll"), idle=("a", "b")),),
    sizes={"fs/eventpoll.o": 10_000},
    symbols={one.symbol: one for one in SYMBOLS},
    unavailable=(Unavailable("timerfd_create in tick: 1 ×, 1 × ENOSYS", ("TIMERFD",)),),
)


def test_the_text_has_calls_functions_and_symbols() -> None:
    lines = evidence_text(USAGE).splitlines()
    assert lines[0] == "toy-server-ring3-trap: Linux 6.12.117, microvm, ring 3"
    assert "system calls of the application: 7, 1 different" in lines
    assert "  timerfd_create in tick: 1 ×, 1 × ENOSYS  (needs TIMERFD)" in lines
    assert "kernel functions: 2 ran in use, 0 only at start or end, 2 never" in lines
    assert any(line.split()[:2] == ["10,000", "EPOLL"] and line.endswith("; 1 more") for line in lines)
    assert lines.index("symbols whose code ran only at start or end: 1") < lines.index(
        "symbols whose code never ran: 1"
    )
    assert lines[-1].endswith("observing tells nothing: 1")


@pytest.mark.parametrize(
    ("symbol", "head"),
    [
        ("EPOLL", "EPOLL: used (10,000 bytes in 1 objects)"),
        ("UNIX", "UNIX: its code ran only at start or end"),
        ("BPF", "BPF: none of its code ran"),
        ("HZ_100", "HZ_100: it has no object or function of its own: observing tells nothing about it"),
    ],
)
def test_one_symbol(symbol: str, head: str) -> None:
    text = symbol_text(USAGE.of(symbol))
    assert text.splitlines()[0] == head
    assert text.splitlines()[1:] == [f"  {line}" for line in USAGE.of(symbol).lines]


def test_the_evidence_is_written_beside_the_profiles_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built: list[Any] = []

    def build_image(run: object, plan: Any) -> Any:
        built.append(plan)
        return SimpleNamespace(folder=tmp_path / "image", plan=plan)

    monkeypatch.setattr(observe, "build_image", build_image)
    monkeypatch.setattr(Observation, "run", lambda self: USAGE)
    here = workshop(Layout(PROJECT, tmp_path, tmp_path / "build"))
    assert observe.observe(here, Request(app="nginx")) == USAGE
    (plan,) = built
    assert (plan.profile.name, plan.entry.ring, plan.entry.syscall) == ("server", 3, "trap")
    assert [forward.guest for forward in plan.machine.spec.forwards] == [80]
    written = tmp_path / "build/nginx-server/observed.json"
    assert Usage.from_document(json.loads(written.read_text())) == USAGE
