# SPDX-License-Identifier: GPL-2.0-only
"""A built image, and the machine on which it is booted or measured."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.app.manifest import Manifest
from unilinux.core.errors import UsageError
from unilinux.image.places import with_files, with_folders
from unilinux.image.record import ARTIFACTS, ROOT, Image
from unilinux.image.recorded import recorded_plan
from unilinux.image.request import Plan, Request, make_plan
from unilinux.machine.compose import Machine, compose
from unilinux.machine.spec import Forward, RootDisk, SharedFolder, VolumeFile
from unilinux.ops.build import build_image
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.finished import is_finished, read_finished
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Boot

# The same for all images, so that their numbers can be compared.
USUAL_MEMORY_MIB = 128

_FIRST_FREE_PORT = 1024  # lower ones are for root to listen on
_MOVED_BY = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUnderTest:
    """An image in its folder, and the machine that it is booted on. The machine's memory is no property of the image.

    ``record`` is the content of ``image.json``. ``words`` are those of the kernel's command line beside the
    machine's. ``manifest`` says what the application promises. ``plan`` is what the image was
    built from in this run; None for one that was found in its folder.
    """

    folder: Path
    record: Mapping[str, Any]
    machine: Machine
    words: tuple[str, ...]
    manifest: Manifest
    plan: Plan | None = None
    initrd: Path | None = None

    @classmethod
    def built(cls, plan: Plan, image: Image) -> ImageUnderTest:
        """An image that was built, on the machine that is planned."""
        return cls(
            folder=image.folder,
            record=image.record,
            machine=image.plan.machine,
            words=plan.cmdline,
            manifest=plan.app.manifest,
            plan=plan,
            initrd=plan.initrd,
        )

    @classmethod
    def found(cls, folder: Path, *, words: tuple[str, ...] = (), initrd: Path | None = None) -> ImageUnderTest:
        """A finished image as its ``image.json`` describes it, whatever its application's manifest says today.

        :raise UsageError: the folder has none, or one of an older UniLinux.
        """
        finished = read_finished(folder)
        recorded = recorded_plan(finished.record, folder)
        root = RootDisk(folder / ARTIFACTS[ROOT]) if recorded.machine.spec.root else None
        return cls(
            folder=folder,
            record=finished.record,
            machine=recorded.machine.with_root(root),
            words=(*recorded.cmdline, *words),
            manifest=recorded.app.manifest,
            initrd=initrd,
        )

    @property
    def name(self) -> str:
        """The image's."""
        return str(self.record["name"])

    @property
    def vmlinux(self) -> Path:
        """The kernel as an ELF file: what it consists of is read there."""
        return self.folder / ARTIFACTS["vmlinux"]

    @property
    def boot_file(self) -> Path:
        """What the machine's loader takes."""
        return self.folder / ARTIFACTS[self.machine.target.boots]

    @property
    def memory_mib(self) -> int:
        """What the machine has."""
        return self.machine.spec.memory_mib

    def with_memory(self, mib: int) -> ImageUnderTest:
        """The same image on a machine with this much memory.

        :raise UsageError: no machine can have that.
        """
        return replace(self, machine=compose(replace(self.machine.spec, memory_mib=mib)))

    def with_forwards(self, forwards: tuple[Forward, ...]) -> ImageUnderTest:
        """The same with these ports of the host in front of the guest's.

        :raise UsageError: the machine has no network.
        """
        return replace(self, machine=compose(replace(self.machine.spec, forwards=forwards)))

    def with_volumes(self, files: tuple[VolumeFile, ...]) -> ImageUnderTest:
        """The same with the user's files for volumes; the others are empty at each boot.

        :raise UsageError: a file is for a path at which the image mounts no volume.
        """
        return replace(self, machine=self.machine.with_volumes(with_files(self.machine.spec.volumes, files)))

    def with_shares(self, folders: tuple[SharedFolder, ...]) -> ImageUnderTest:
        """The same with these folders of the host behind its shares.

        :raise UsageError: the image mounts no such share.
        """
        return replace(self, machine=self.machine.with_shares(with_folders(self.machine.spec.shares, folders)))

    def keeping(self, folder: Path) -> ImageUnderTest:
        """The same with the volumes that the user names no files for kept below this folder."""
        own = folder / (self.plan.app.word if self.plan else self.manifest.name)
        volumes = tuple(
            volume if volume.file else replace(volume, file=own / f"{volume.name}.img")
            for volume in self.machine.spec.volumes
        )
        return replace(self, machine=self.machine.with_volumes(volumes))

    def reachable(self) -> ImageUnderTest:
        """The same with a free port of the host in front of each that the application serves."""
        return self.with_forwards(tuple(Forward(host=0, guest=port) for port in self.manifest.run.ports))

    def describe(self) -> dict[str, Any]:
        """Plain JSON data: which image is measured on which machine."""
        return {
            "image": self.name,
            "app": self.manifest.name,
            "profile": self.record["profile"],
            "ring": self.record["ring"],
            "syscall": self.record["syscall"],
            "machine": self.machine.spec.target,
            "memory_mib": self.memory_mib,
            "kernel": self.record["kernel"]["version"],
        }

    def run_command(self, request: Request, *, accel: str = "auto") -> str:
        """The command that boots what ``request`` named for whoever sits in front of it, with its ports in reach.

        Ports that only root may listen on get others on the host: 8080 for 80.
        """
        options: list[tuple[str, object]] = []
        if self.plan is None and request.memory_mib:  # the command of a plan has it
            options.append(("--memory", request.memory_mib))
        options += [("--forward", forward) for forward in _usual_forwards(self.manifest.run.ports)]
        # Those that the manifest doesn't know stand in the command of a plan.
        known = {volume.path for volume in self.manifest.volume}
        options += [("--volume", one) for one in request.volumes if self.plan is None or one.path in known]
        options += [("--share", one) for one in request.shares if self.plan is None]
        if request.words:
            options.append(("--cmdline", " ".join(request.words)))
        if request.initrd:
            options.append(("--initrd", request.initrd))
        if accel != "auto":
            options.append(("--accel", accel))
        command = self.plan.command_to("run") if self.plan else shlex.join(("./x", "run", str(self.folder)))
        return " ".join((command, *(shlex.join((option, str(value))) for option, value in options)))

    def boot(self, kind: str) -> Boot:
        """How to boot it once; its logs replace those of the last boot of this kind."""
        return Boot(
            machine=self.machine,
            kernel=self.boot_file,
            evidence=evidence_folder(self.folder, kind),
            cmdline=self.words,
            initrd=self.initrd,
            files_bytes=int(self.record["sizes"].get("initramfs", 0)),
        )


def build_or_find(here: Workshop, request: Request) -> ImageUnderTest:
    """The image that a request names, on its own machine: built, or found where ``request.app`` is its folder.

    :raise UsageError: a name or value that doesn't fit, or options that would take another image than the found one.
    :raise UniLinuxError: as building does.
    """
    folder = Path(request.app)
    if not is_finished(folder):
        plan = make_plan(request, here.layout)
        return ImageUnderTest.built(plan, build_image(here, plan))
    _refuse_build_options(request, folder)
    if request.initrd is not None and not request.initrd.is_file():
        raise UsageError(f"there is no file {request.initrd}", hint="--initrd names a cpio archive")
    found = ImageUnderTest.found(folder, words=request.words, initrd=request.initrd)
    found = found.with_forwards(request.forwards).with_volumes(request.volumes).with_shares(request.shares)
    return found.with_memory(request.memory_mib) if request.memory_mib else found


def build_under_test(here: Workshop, request: Request, *, bzimage: bool = False) -> ImageUnderTest:
    """The image, to be measured: built or found as by :func:`build_or_find`, with its ports forwarded.

    ``request.memory_mib`` is that of the machine, and changes no byte of the image; None stands for
    :data:`USUAL_MEMORY_MIB`. ``bzimage``: that form of the image is measured, too.
    """
    memory_mib = request.memory_mib or USUAL_MEMORY_MIB
    if is_finished(Path(request.app)):
        return build_or_find(here, replace(request, memory_mib=memory_mib)).reachable()
    plan = make_plan(replace(request, memory_mib=None), here.layout)
    compose(replace(plan.machine.spec, memory_mib=memory_mib))  # what no machine can have is told before the build
    return ImageUnderTest.built(plan, build_image(here, plan, bzimage=bzimage)).with_memory(memory_mib).reachable()


def _usual_forwards(ports: Iterable[int]) -> Iterator[Forward]:
    taken: set[int] = set()
    for port in ports:
        host = port if port >= _FIRST_FREE_PORT else port + _MOVED_BY
        while host in taken:
            host += 1
        taken.add(host)
        yield Forward(host=host, guest=port)


def _refuse_build_options(request: Request, folder: Path) -> None:
    chosen = {
        "--profile": request.profile,
        "--machine": request.target,
        "--ring": None if request.ring is None else str(request.ring),
        "--syscall": request.syscall,
        "--syscalls": request.syscalls,
        "--kernel": request.kernel,
        "--pack": request.pack,
    }
    said = [option for option, value in chosen.items() if value is not None]
    if said:
        raise UsageError(
            f"{folder} is a finished image: {', '.join(said)} can't change it any more",
            hint="name the application instead of the folder, and it is built so",
        )
