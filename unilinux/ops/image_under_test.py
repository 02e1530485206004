"""A built image, and the machine on which it is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unilinux.app.manifest import Manifest
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.machine.compose import compose
from unilinux.ops.build import build_image
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.verify import files_bytes
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Boot

# The same for all images, so that their numbers can be compared.
USUAL_MEMORY_MIB = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUnderTest:
    """A built image, and the machine that it is measured on. Its memory changes the machine, not the image."""

    plan: Plan
    image: Image

    @property
    def manifest(self) -> Manifest:
        """The application's."""
        return self.plan.app.manifest

    @property
    def memory_mib(self) -> int:
        """What the machine has."""
        return self.plan.machine.spec.memory_mib

    def with_memory(self, mib: int) -> ImageUnderTest:
        """The same image on a machine with this much memory.

        :raise UsageError: no machine can have that.
        """
        return replace(self, plan=_with_memory(self.plan, mib))

    def describe(self) -> dict[str, Any]:
        """Plain JSON data: which image is measured on which machine."""
        return {
            "image": self.plan.name,
            "app": self.manifest.name,
            "profile": self.plan.profile.name,
            "ring": self.plan.entry.ring,
            "syscall": self.plan.entry.syscall,
            "machine": self.plan.machine.spec.target,
            "memory_mib": self.memory_mib,
            "kernel": self.image.record["kernel"]["version"],
        }

    def boot(self, kind: str) -> Boot:
        """How to boot it once; its logs replace those of the last boot of this kind."""
        evidence = evidence_folder(self.image.folder, kind)
        return Boot(
            machine=self.plan.machine,
            kernel=self.image.vmlinux,
            evidence=evidence,
            cmdline=self.plan.cmdline,
            files_bytes=files_bytes(self.image),
        )


def build_under_test(here: Workshop, request: Request, *, bzimage: bool = False) -> ImageUnderTest:
    """Build the image as ``./x build`` does, for a machine whose ports are forwarded.

    ``request.memory_mib`` is that of the machine; None stands for :data:`USUAL_MEMORY_MIB`. With ``bzimage``
    the size of that is known, too.
    """
    plan = make_plan(replace(request, memory_mib=None), here.layout)
    reached = _with_memory(plan.forwarding(plan.app.manifest.run.ports), request.memory_mib or USUAL_MEMORY_MIB)
    return ImageUnderTest(plan=reached, image=build_image(here, plan, bzimage=bzimage))


def _with_memory(plan: Plan, mib: int) -> Plan:
    return replace(plan, machine=compose(replace(plan.machine.spec, memory_mib=mib)))
