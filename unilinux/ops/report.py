# SPDX-License-Identifier: GPL-2.0-only
"""What a page about images is made of: their boots and sizes, and the history of their budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.measure.boot.stages import Stages
from unilinux.measure.budget.history import Record, read_history
from unilinux.measure.size.size import Size
from unilinux.ops.budget import HISTORY_FILE
from unilinux.ops.counting import count
from unilinux.ops.image_under_test import build_under_test
from unilinux.ops.size import sizes
from unilinux.ops.stock import count_stock_boot, pinned_stock_kernel, prepare_stock_boot
from unilinux.ops.workshop import Workshop

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredImage:
    """An image that was measured, as the page names it. ``size`` is None for a stock kernel."""

    label: str
    boot: Stages
    size: Size | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``path`` is where the page goes."""

    path: Path
    images: tuple[MeasuredImage, ...]
    history: tuple[Record, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON data; ``boots`` are by image."""
        return {
            "report": str(self.path),
            "images": [image.label for image in self.images],
            "boots": {image.label: image.boot.document() for image in self.images},
        }


def measure_report(here: Workshop, requests: Sequence[Request], *, against: str = "") -> Report:
    """Measure some images, one for each request; ``against`` is a stock kernel, measured beside each.

    :raise UsageError: none is named, or a name doesn't fit.
    :raise UniLinuxError: as building and booting do.
    """
    if not requests:
        raise UsageError("a report is about at least one application", hint="./x report --app hello --app nginx")
    pinned = pinned_stock_kernel(here, against) if against else None
    images = []
    for request in dict.fromkeys(requests):
        subject = build_under_test(here, request)
        (counted,) = count(here, subject)
        bytes_of = sizes(here, subject.folder, subject.record["inputs"])
        images.append(MeasuredImage(label=subject.name, boot=counted, size=bytes_of))
        if pinned:
            stock = prepare_stock_boot(here, subject, pinned)
            images.append(MeasuredImage(label=stock.label, boot=count_stock_boot(here, stock)))
    apps = {request.app for request in requests}
    history = tuple(one for one in read_history(here.layout.build / HISTORY_FILE) if one.app in apps)
    return Report(path=here.layout.build / REPORT_FILE, images=tuple(images), history=history)
