# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a boot, and what is refused, with nothing built and nothing booted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.unit.ops.measured import BOOT, HERE, MEASURED
from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.measure.boot.stages import Stage, last_exact_stage
from unilinux.ops import boot
from unilinux.ops.boot import measure_boot


def test_a_boots_document_has_the_stages_since_reset() -> None:
    document = json.loads(json.dumps(MEASURED.document()))
    assert document["image"] == "hello-tiny"
    assert document["stages"]["pid1"]["instructions"] == 5_500_000
    assert document["stages"]["main"] == {"instructions": 5_600_000, "spent": 100_000}
    assert document["repeats"] == {"runs": 3, "exact_until": "main", "disagreements": []}
    assert document["wall"] == {"accel": "tcg", "median_s": 0.5, "least_s": 0.4, "most_s": 0.9, "runs": 3}
    assert "against" not in document


def test_a_server_is_exact_until_it_listens() -> None:
    assert last_exact_stage(BOOT) == "main"
    server = replace(BOOT, stages=(*BOOT.stages, Stage("ready", 6_000_000, 400_000)))
    assert last_exact_stage(server) == "ready"
    assert last_exact_stage(server, BOOT) == "main"  # of both


def test_at_least_one_run() -> None:
    with pytest.raises(UsageError, match="at least one run"):
        measure_boot(HERE, Request(app="hello"), runs=0)


def test_an_unknown_stock_kernel_is_told_before_anything_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "build_under_test", lambda here, request, **_: pytest.fail("it was built first"))
    with pytest.raises(UsageError, match="did you mean 'debian-cloud'"):
        measure_boot(HERE, Request(app="hello"), runs=1, against="debain-cloud")
