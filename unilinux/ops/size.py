# SPDX-License-Identifier: GPL-2.0-only
"""Where an image's bytes are, and what differs from another image's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.image.request import Request
from unilinux.kernel.make import OBJECTS
from unilinux.measure.budget.budget import config_changes
from unilinux.measure.size.size import Size, differences, measure_size
from unilinux.ops.finished import find_finished, read_finished
from unilinux.ops.image_under_test import build_under_test
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeComparison:
    """The size of another image beside this one's; ``config`` are the symbols that changed, a line each."""

    name: str
    was: Size
    now: Size
    config: tuple[str, ...]

    @property
    def differences(self) -> Mapping[str, tuple[tuple[str, int, int], ...]]:
        """By kind (section, object, symbol): name, bytes before, bytes now; only what differs."""
        return {
            "section": differences(self.was.sections, self.now.sections),
            "object": differences(self.was.objects, self.now.objects),
            "symbol": differences(self.was.symbols, self.now.symbols),
        }

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "image": self.name,
            "loaded": self.was.loaded,
            "zeroed": self.was.zeroed,
            "differences": {
                kind: [{"name": one, "was": before, "now": after} for one, before, after in found]
                for kind, found in self.differences.items()
            },
            "config": list(self.config),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSize:
    """``subject`` is which image; ``parts`` are bytes of its files."""

    name: str
    subject: Mapping[str, Any]
    parts: Mapping[str, int]
    size: Size
    against: SizeComparison | None = None

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        found = {**self.subject, "parts": dict(self.parts), **self.size.document()}
        return found | ({"against": self.against.document()} if self.against else {})


def measure_image(here: Workshop, request: Request, *, against: str = "") -> ImageSize:
    """Build an image and measure its bytes; ``against`` names another image.

    :raise UsageError: a name that doesn't fit.
    :raise UniLinuxError: as building does.
    """
    other = find_finished(here.layout, against) if against else None
    subject = build_under_test(here, request, bzimage=True)
    folder, record = subject.folder, subject.record
    now = sizes(here, folder, record["inputs"])
    comparison = None
    if other:
        comparison = SizeComparison(
            name=other.name,
            was=sizes(here, other.folder, other.record["inputs"]),
            now=now,
            config=tuple(config_changes(other.config, read_finished(folder).config)),
        )
    return ImageSize(name=subject.name, subject=subject.describe(), parts=record["sizes"], size=now, against=comparison)


def sizes(here: Workshop, folder: Path, inputs: Mapping[str, str]) -> Size:
    """Bytes of the image in ``folder``; ``inputs`` are those of its ``image.json``.

    Object files are told apart as long as the cache has them.
    """
    objects = here.new_store().lookup("kernel-objects", inputs.get("kernel-objects", ""))
    return measure_size(folder / "vmlinux.debug", objects.path / OBJECTS / "vmlinux.a" if objects else None)
