# SPDX-License-Identifier: GPL-2.0-only
"""Booting an image to see that it does what its manifest promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unilinux.image.record import record_document
from unilinux.image.request import Request
from unilinux.ops.image_under_test import ImageUnderTest, build_or_find
from unilinux.ops.workshop import Workshop
from unilinux.verify.result import Entry, Verification
from unilinux.verify.verify import verify as verify_boot
from unilinux.vm.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How each check went, on which image and by which engine."""

    image: ImageUnderTest
    engine: Engine
    result: Verification

    @property
    def name(self) -> str:
        """The image's."""
        return self.image.name

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        image = record_document(self.image.record, self.image.folder)
        return {**self.result.describe(), "accel": self.engine.abilities.accelerator, "image": image}

    def require(self) -> None:
        """Nothing if all is well.

        :raise UniLinuxError: what failed, with the evidence.
        """
        self.result.require()


def verify(here: Workshop, request: Request, *, accel: str = "auto", timeout_s: float | None = None) -> Verified:
    """Build or find the image, boot, check, stop. ``timeout_s`` is for each check; without it each has its own.

    :raise UniLinuxError: as building and booting do; a check that fails is in the result.
    """
    image = build_or_find(here, request)
    engine = chosen_engine(here, accel)
    result = verify_boot(
        image.reachable().boot("verify"),
        engine,
        image.manifest,
        entry=Entry(ring=image.record["ring"], syscall=image.record.get("main_syscall", image.record["syscall"])),
        progress=here.progress,
        timeout_s=timeout_s,
        look=image.run_command(request, accel=accel),
    )
    return Verified(image=image, engine=engine, result=result)


def chosen_engine(here: Workshop, request: str) -> Engine:
    """The engine, looked for as a step of its own: finding out may take a boot."""
    with here.progress.step("accelerator", "looking for KVM") as step:
        found = here.engine(request)
        step.detail(found.reason)
    here.progress.note(found.reason)
    return found
