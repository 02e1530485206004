# SPDX-License-Identifier: GPL-2.0-only
"""An image's boot: its instructions counted stage by stage, and its time beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.measure.boot.boots import Wall, disagreements
from unilinux.measure.boot.stages import Stages, last_exact_stage
from unilinux.ops.counting import clock, count, memory_in_use
from unilinux.ops.image_under_test import build_under_test
from unilinux.ops.stock import StockComparison, compare_with_stock, pinned_stock_kernel
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class BootMeasurement:
    """``subject`` is which image; ``disagreements`` are between repeats, a line each; ``wall`` is until the exit, or a
    server's first answer; ``against`` is a stock kernel's boot with the same application."""

    name: str
    subject: Mapping[str, Any]
    counted: Stages
    disagreements: tuple[str, ...]
    wall: Wall
    against: StockComparison | None = None

    @property
    def exact_until(self) -> str:
        """The stage up to which repeats must agree."""
        return last_exact_stage(self.counted)

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        found = {
            **self.subject,
            **self.counted.document(),
            "repeats": {
                "runs": self.wall.runs,
                "exact_until": self.exact_until,
                "disagreements": list(self.disagreements),
            },
            "wall": {"accel": "tcg", **self.wall.document()},
        }
        return found | ({"against": self.against.document()} if self.against else {})


def measure_boot(here: Workshop, request: Request, *, runs: int = 3, against: str = "") -> BootMeasurement:
    """Count the instructions of a boot, ``runs`` times, and time as many beside; ``against`` names a stock kernel.

    :raise UsageError: a name or value that doesn't fit.
    :raise UniLinuxError: as building and booting do.
    """
    if runs < 1:
        raise UsageError("at least one run is needed", hint="--runs 3")
    pinned = pinned_stock_kernel(here, against) if against else None
    subject = build_under_test(here, request)
    counted = count(here, subject, runs)
    return BootMeasurement(
        name=subject.name,
        subject=subject.describe(),
        counted=counted[0].with_memory(memory_in_use(here, subject)),
        disagreements=tuple(disagreements(counted, until=last_exact_stage(counted[0]))),
        wall=clock(here, subject, runs),
        against=compare_with_stock(here, subject, pinned, runs=runs) if pinned else None,
    )
