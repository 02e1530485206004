# SPDX-License-Identifier: GPL-2.0-only
"""Booting an image for whoever sits in front of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from unilinux.image.request import Request
from unilinux.ops.image_under_test import ImageUnderTest, build_or_find
from unilinux.ops.verify import chosen_engine
from unilinux.ops.workshop import Workshop
from unilinux.verify.stop import Stop
from unilinux.vm.engine import Engine
from unilinux.vm.outcome import End, Exited, Timeout
from unilinux.vm.vm import Vm

Attend = Callable[[Vm, ImageUnderTest], Timeout | End]
"""What is done while the machine runs: it returns how the machine ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An image that can be booted."""

    image: ImageUnderTest
    engine: Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a machine ended that did so as it should."""

    outcome: Timeout | End

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"outcome": type(self.outcome).__name__.lower(), **asdict(self.outcome)}


def prepare(here: Workshop, request: Request, *, accel: str = "auto") -> Prepared:
    """Build or find the image, and choose the engine. Volumes that the user names no file for have one of their own.

    :raise UniLinuxError: as the steps do.
    """
    image = build_or_find(here, request).keeping(here.layout.volumes)
    for volume in image.machine.spec.volumes:
        here.progress.note(f"the data of {volume.path} is kept in {volume.file}")
    return Prepared(image=image, engine=chosen_engine(here, accel))


def run(prepared: Prepared, *, on_output: Callable[[bytes], None], attend: Attend) -> Ran:
    """Boot; the console goes to ``on_output``, and ``attend`` stays with the machine until it has ended.

    :raise HostError: the host lacks something: QEMU, a free port.
    :raise BootError: the machine ended otherwise than it should.
    """
    image = prepared.image
    with Vm.start(image.boot("run"), prepared.engine, on_output=on_output) as vm:
        outcome = attend(vm, image)
        stop = Stop.of(image.manifest.run)
        if outcome != Exited(0) and (stop is None or not stop.fits(outcome)):
            raise vm.failure(outcome)
    return Ran(outcome=outcome)
