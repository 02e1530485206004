# SPDX-License-Identifier: GPL-2.0-only
"""The ladder's order of work, with nothing built and nothing booted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.ops.measured import HERE
from unilinux.core.errors import UsageError
from unilinux.measure.calls.ladder import CALLS, RUNGS, Ladder, Rung
from unilinux.measure.calls.runs import CallRun
from unilinux.ops import ladder as task
from unilinux.report.ladder import render
from unilinux.vm.engine import Boot


def rung_of(boot: Boot) -> Rung:
    return next(rung for rung in RUNGS if boot.kernel.parent.name == rung.name)


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What was booted, in order; everything that takes a machine is replaced."""
    order: list[str] = []

    def build_image(run: object, plan: Any) -> object:
        name = next(r.name for r in RUNGS if (r.ring, r.syscall) == (plan.entry.ring, plan.entry.syscall))
        folder = tmp_path / plan.app.manifest.name / name
        record = {"kernel": {"version": "6.12.1"}}
        return SimpleNamespace(plan=plan, folder=folder, vmlinux=folder / "vmlinux", record=record)

    def calls(boot: Boot, *more: object, timeout_s: float) -> CallRun:
        rung = rung_of(boot)
        kind = boot.evidence.name.split("-")[1]
        order.append(f"{kind} {rung.name}")
        time = 100.0 * (1 + RUNGS.index(rung)) + len(order)
        return CallRun(ring=rung.ring, entry=rung.syscall, times_ns=dict.fromkeys(CALLS, time))

    def load(boot: Boot, engine: object, rung: Rung, *more: object, plugin: Path, timeout_s: float) -> float:
        assert rung is rung_of(boot)
        assert boot.machine.spec.forwards
        order.append(f"{boot.kernel.parents[1].name} {rung.name}")
        return 10.0 + len(order)

    replaced: dict[str, object] = {
        "build_image": build_image,
        "counted_calls": calls,
        "timed_calls": calls,
        "counted_load": load,
        "build_plugin": lambda store: tmp_path / "counter.so",
        "read_kernel": lambda vmlinux, system_map: None,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(task, name, value)
    return order


def run(*apps: str, rounds: int = 2) -> Ladder:
    return task.measure_ladder(HERE, apps, rounds=rounds)


def test_rungs_are_timed_side_by_side(booted: list[str]) -> None:
    answer = run("ladder").document()
    names = [rung.name for rung in RUNGS]
    assert booted == [f"counted {name}" for name in names] + 2 * [f"timed {name}" for name in names]
    assert answer["calls"].keys() == CALLS.keys()
    assert answer["calls"]["getppid"]["lean"]["instructions"] == 404
    assert answer["calls"]["getppid"]["lean"]["tcg_ns"] == 410
    assert answer["throughput"] == {}
    assert answer["kernel"] == "6.12.1"


def test_servers_are_asked_side_by_side(booted: list[str]) -> None:
    answer = run("redis", "memcached", rounds=1).document()
    names = [rung.name for rung in RUNGS]
    assert booted == [f"redis {name}" for name in names] + [f"memcached {name}" for name in names]
    assert answer["throughput"]["redis"]["lean"]["requests_per_minstr"] == 14
    assert answer["calls"] == {}


def test_without_a_name_calls_nginx_and_redis_are_measured(booted: list[str]) -> None:
    text = render(run())
    assert "| getppid" in text
    assert "| nginx" in text
    assert "| redis" in text


@pytest.mark.parametrize(
    ("apps", "rounds", "message"),
    [
        (("ladder",), 0, "at least one round is needed"),
        (("hello",), 1, "hello is no server whose requests can be counted"),
        (("ngnix",), 1, "did you mean 'nginx'"),
    ],
)
def test_nothing_is_built_for_what_cannot_be_measured(
    apps: tuple[str, ...], rounds: int, message: str, booted: list[str]
) -> None:
    with pytest.raises(UsageError, match=message):
        run(*apps, rounds=rounds)
    assert booted == []
