# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of what an image costs: results, and nothing that the host may have caused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.measure.budget.test_costs import WITH
from tests.unit.ops.measured import LAYOUT, nginx_under_test, workshop
from unilinux.measure.budget.costs import Costs
from unilinux.ops import costs
from unilinux.ops.costs import costs_of


class Bench:
    """Measures, or what was made up in place of it; ``measured`` is how often."""

    def __init__(self, cache: Path) -> None:
        self.here = workshop(replace(LAYOUT, cache=cache))
        self.subject = replace(nginx_under_test(), folder=cache / "image")
        self.subject.folder.mkdir()
        for name in ("vmlinux", "System.map"):
            (self.subject.folder / name).write_text(name)
        self.failure: str | None = None
        self.measured = 0

    def measure(self, *_: object) -> Costs:
        self.measured += 1
        return replace(WITH, failure=self.failure)

    def ask(self, timeout_s: float = 60.0) -> Costs:
        return costs_of(self.here, self.subject, timeout_s=timeout_s)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path)
    monkeypatch.setattr(costs, "_measured", made.measure)
    monkeypatch.setattr(costs, "qemu_version", lambda: "7.2")
    return made


def test_a_result_is_kept(bench: Bench) -> None:
    assert bench.ask() == bench.ask() == WITH
    assert bench.measured == 1


def test_a_failure_is_told_and_measured_again_the_next_time(bench: Bench) -> None:
    bench.failure = "http: nothing within 60 s"
    assert bench.ask().failure == bench.failure
    bench.failure = None
    assert bench.ask().failure is None
    assert bench.measured == 2


def test_the_time_that_checks_had_and_qemu_are_in_the_key(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ask()
    bench.ask(timeout_s=5.0)
    monkeypatch.setattr(costs, "qemu_version", lambda: "9.0")
    bench.ask()
    assert bench.measured == 3
