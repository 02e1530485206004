# SPDX-License-Identifier: GPL-2.0-only
"""Why a symbol is on, with what it costs: images without it are really built and booted."""

from __future__ import annotations

import pytest

from tests.boot.test_measure_against import answer

pytestmark = [pytest.mark.boot, pytest.mark.slow]


def test_ring_0_is_what_the_image_was_built_for_and_costs_bytes() -> None:
    found = answer("why", "--app", "hello", "--symbol", "UNILINUX_RING0")
    (asker,) = found["asked_by"]
    assert asker["party"] == "ring 0"
    without = found["without"]
    assert without["verification"]["failure"].startswith("ring: the application runs in ring 3")
    assert any(change.startswith("UNILINUX_GATE: y → n") for change in without["changes"])
    assert without["cost"]["loaded"]["costs"] > 5_000
    assert without["cost"]["boot to main"]["without"] > 1_000_000
    assert without["cost"]["least memory"]["costs"] is None
    assert "ring0_map_gate" in without["functions"]["executed"]


def test_only_a_machine_block_asks_for_virtio_mmio() -> None:
    found = answer("why", "--app", "nginx", "--symbol", "VIRTIO_MMIO", "--no-build")
    (asker,) = found["asked_by"]
    assert (asker["party"], asker["value"]) == ("machine microvm, part virtio-mmio", "y")
    assert found["without"] is None


def test_what_is_selected_cannot_go() -> None:
    found = answer("why", "--app", "nginx", "--symbol", "VIRTIO")
    assert found["chain"]["by"][0]["symbol"] == "VIRTIO_MMIO"
    assert "it is selected by VIRTIO_MMIO" in found["refusal"]
