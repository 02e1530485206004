# SPDX-License-Identifier: GPL-2.0-only
"""The ladder, measured on images that are built and booted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.boot.conftest import ENGINE, Workshop
from tests.boot.test_applications import invoke_json
from unilinux.image.record import Image
from unilinux.measure.calls.ladder import CALLS, RUNGS
from unilinux.measure.calls.runs import counted_calls
from unilinux.vm.engine import Boot

# Four kernels are compiled when they aren't in the cache.
pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(7200)]

# At most so many guest instructions by the gate and the lean gate.
BOUNDS = {"getppid": (155, 90), "write": (285, 225), "read": (320, 260)}


@pytest.fixture(scope="module")
def calls() -> Any:
    return invoke_json("ladder", "--app", "ladder", "--rounds", "1")["calls"]


def test_repeats_agree_to_the_instruction(workshop: Workshop, boot_of: Callable[[Image], Boot]) -> None:
    boot = boot_of(workshop.build("ladder"))
    assert counted_calls(boot, ENGINE, timeout_s=900) == counted_calls(boot, ENGINE, timeout_s=900)


def test_every_call_is_counted_on_every_rung(calls: Any) -> None:
    assert calls.keys() == CALLS.keys()
    for costs in calls.values():
        assert costs.keys() == {rung.name for rung in RUNGS}
        assert all(cost["instructions"] > 0 for cost in costs.values())


@pytest.mark.parametrize("call", BOUNDS)
def test_each_gate_keeps_its_bound(call: str, calls: Any) -> None:
    gate, lean = BOUNDS[call]
    assert calls[call]["gate"]["instructions"] <= gate
    assert calls[call]["lean"]["instructions"] <= lean
    assert calls[call]["gate"]["instructions"] < calls[call]["ring3_trap"]["instructions"]


def test_requests_are_counted() -> None:
    throughput = invoke_json("ladder", "--app", "nginx", "--rounds", "1")["throughput"]
    assert all(throughput["nginx"][rung.name]["requests_per_minstr"] > 0 for rung in RUNGS)
