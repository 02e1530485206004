"""Booting an image to see that it does what its manifest promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.ops.build import build_image
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.workshop import Workshop
from unilinux.verify.result import Entry, Verification
from unilinux.verify.verify import verify as verify_boot
from unilinux.vm.engine import Boot, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How each check went, on which image and by which engine."""

    image: Image
    engine: Engine
    result: Verification

    @property
    def name(self) -> str:
        """The image's."""
        return str(self.image.record["name"])

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**self.result.describe(), "accel": self.engine.abilities.accelerator, "image": self.image.to_json()}

    def require(self) -> None:
        """Nothing if all is well.

        :raise UniLinuxError: what failed, with the evidence.
        """
        self.result.require()


def verify(here: Workshop, request: Request, *, accel: str = "auto", timeout_s: float | None = None) -> Verified:
    """Build, boot, check, stop. ``timeout_s`` is for each check; without it each has its manifest's.

    :raise UniLinuxError: as building and booting do; a check that fails is in the result.
    """
    plan = make_plan(request, here.layout)
    image = build_image(here, plan)
    engine = chosen_engine(here, accel)
    result = verify_boot(
        boot_of(plan.forwarding(plan.app.manifest.run.ports), image, "verify"),
        engine,
        plan.app.manifest,
        entry=Entry(ring=plan.entry.ring, syscall=plan.entry.syscall),
        progress=here.progress,
        timeout_s=timeout_s,
        look=plan.command_to("run"),
    )
    return Verified(image=image, engine=engine, result=result)


def chosen_engine(here: Workshop, request: str) -> Engine:
    """The engine, looked for as a step of its own: finding out may take a boot."""
    with here.progress.step("accelerator", "looking for KVM") as step:
        found = here.engine(request)
        step.detail(found.reason)
    here.progress.note(found.reason)
    return found


def boot_of(plan: Plan, image: Image, kind: str) -> Boot:
    """How to boot an image once; its logs go to a folder of this kind."""
    return Boot(
        machine=plan.machine,
        kernel=image.vmlinux,
        evidence=evidence_folder(image.folder, kind),
        cmdline=plan.cmdline,
        initrd=plan.initrd,
        files_bytes=files_bytes(image),
    )


def files_bytes(image: Image) -> int:
    """How much its kernel unpacks into memory."""
    return int(image.record["sizes"].get("initramfs", 0))
