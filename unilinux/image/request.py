# SPDX-License-Identifier: GPL-2.0-only
"""What the user asks for, and the plan that comes of it: pure values, nothing is built here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

from unilinux.app.catalogue import App, Catalogue
from unilinux.app.proposal import is_program, program_app
from unilinux.app.volume import Share, Volume
from unilinux.core.document import key_lines
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.configuration import image_layer
from unilinux.image.entry import Entry, choose_entry, usual_entry
from unilinux.image.kernels import chosen_kernel, kernel_word, on_kernel
from unilinux.image.packing import find_carrier
from unilinux.image.places import disks_of, mounted_by, shares_of, with_files, with_folders
from unilinux.kconfig.profile import Profile, read_profile
from unilinux.kconfig.wish import Layer, Origin, Wish
from unilinux.link.carrier import Carrier
from unilinux.link.initramfs import Initramfs
from unilinux.machine.compose import Machine, compose
from unilinux.machine.spec import Forward, MachineSpec, RootDisk, SharedFolder, VolumeFile
from unilinux.machine.target import DEFAULT_TARGET

_PROGRAMS = "programs"
"""The folder below ``build/`` with the manifests of programs that have none of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An image to build. None stands for what the application and its profile say."""

    app: str
    """A name of the catalogue, or the path of an application's folder, or of a program."""
    profile: str | None = None
    target: str | None = None
    ring: int | None = None
    syscall: str | None = None
    syscalls: str | None = None
    kernel: str | None = None
    pack: str | None = None
    memory_mib: int | None = None
    forwards: tuple[Forward, ...] = ()
    volumes: tuple[VolumeFile, ...] = ()
    shares: tuple[SharedFolder, ...] = ()
    words: tuple[str, ...] = ()
    initrd: Path | None = None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """An option of the command line, its value, and the word for it in the image's name."""

    option: str
    value: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is decided before anything is built."""

    app: App
    profile: Profile
    machine: Machine
    entry: Entry
    carrier: Carrier = field(default_factory=Initramfs)
    pack: str | None = None
    """The carrier that the user chose; None: by the size of the files, when they are there."""
    settled: bool = False
    """Whether the carrier is decided."""
    kernel: str | None = None
    """A kernel of ``configs/kernels.toml``, or a tarball or folder of the user's; None: the usual one."""
    mounted: tuple[Volume | Share, ...] = ()
    """What init mounts of the host's: the volumes of the manifest, and what only the user asks for."""
    memory_mib: int | None = None
    """The memory that the files of the image are made for, in MiB; None: the usual. The machine may have more."""
    words: tuple[str, ...] = ()
    """Further words of the kernel's command line, for boots of the image; no part of it."""
    initrd: Path | None = None
    """A further archive that boots unpack over the image's files; no part of it either."""

    @property
    def name(self) -> str:
        """The image's name, which is that of its folder below ``build/``."""
        return "-".join((self.app.word, self.profile.name, *(choice.word for choice in self._unusual)))

    @property
    def _unusual(self) -> tuple[_Chosen, ...]:
        """What the user chose otherwise than the application and its profile."""
        target, usual = self.machine.spec.target, usual_entry(self.profile)
        chosen = []
        if self.kernel:
            chosen.append(_Chosen("--kernel", self.kernel, kernel_word(self.kernel)))
        if target != (self.profile.machine.target or DEFAULT_TARGET):
            chosen.append(_Chosen("--machine", target, target))
        if self.entry.ring != usual.ring:
            chosen.append(_Chosen("--ring", str(self.entry.ring), f"ring{self.entry.ring}"))
        if self.entry.syscall != usual.syscall:
            chosen.append(_Chosen("--syscall", self.entry.syscall, self.entry.syscall))
        if self.entry.kept != usual.kept:
            chosen.append(_Chosen("--syscalls", self.entry.kept, f"{self.entry.kept}-calls"))
        if self.pack:
            chosen.append(_Chosen("--pack", self.pack, self.pack))
        if self.memory_mib:
            chosen.append(_Chosen("--memory", str(self.memory_mib), f"{self.memory_mib}mib"))
        own = {volume.path for volume in self.app.manifest.volume}
        machine = self.machine.spec
        chosen += [_Chosen("--volume", str(one), one.name) for one in machine.volumes if one.path not in own]
        chosen += [_Chosen("--share", str(one), one.name) for one in machine.shares]
        return tuple(chosen)

    @property
    def files_memory_mib(self) -> int:
        """The guest's memory as the templates of its files see it."""
        return self.memory_mib or _usual_memory_mib(self.app, self.profile)

    @property
    def cmdline(self) -> tuple[str, ...]:
        """Words of the kernel's command line beside the machine's: the image's own, and the user's."""
        return (*self.own_cmdline, *self.words)

    @property
    def own_cmdline(self) -> tuple[str, ...]:
        """The application's words and the profile's, which each boot of the image gets."""
        return (*self.app.manifest.run.kernel_words, *self.profile.cmdline)

    @property
    def command(self) -> str:
        """The command that reproduces the image."""
        return self.command_to("build")

    def command_to(self, task: str) -> str:
        """The command that does something with just this image, quoted for a shell."""
        options = [word for choice in self._unusual for word in (choice.option, choice.value)]
        return shlex.join(("./x", task, "--app", self.app.option, "--profile", self.profile.option, *options))

    def packed(self, carrier: Carrier) -> Plan:
        """The same plan with another carrier, and the machine that this takes."""
        root = RootDisk() if carrier.is_disk else None
        return replace(self, carrier=carrier, settled=True, machine=self.machine.with_root(root))

    def with_root(self, file: Path) -> Plan:
        """The same plan with this image of the root disk."""
        return replace(self, machine=self.machine.with_root(RootDisk(file)))

    def forwarding(self, ports: tuple[int, ...]) -> Plan:
        """The same plan with a free port of the host in front of each of these."""
        forwards = tuple(Forward(host=0, guest=port) for port in ports)
        return replace(self, machine=compose(replace(self.machine.spec, forwards=forwards)))

    def layers(self, layout: Layout) -> tuple[Layer, ...]:
        """Who wishes what of this kernel: the profile, the machine, the image's form, the application.

        :raise UsageError: there is no such kernel.
        :raise ManifestError: a wish is meant for a kernel that nobody knows.
        """
        needs = tuple(
            Wish(need.symbol, need.value, Origin(_relative(need.file, layout), need.line), need.why, need.kernel)
            for need in self.app.needs
        )
        name = self.app.manifest.name
        layers = (
            self.profile.layer,
            image_layer(self.carrier),
            Layer(name=f"ring {self.entry.ring}", wishes=self.entry.wishes),
            Layer(name=f"machine {self.machine.spec.target}", wishes=self.machine.wishes),
            Layer(name=f"application {name}", wishes=(*needs, *_run_wishes(self.app, layout))),
        )
        return on_kernel(layers, layout, self.kernel)


def make_plan(request: Request, layout: Layout) -> Plan:
    """Look up and compose what the request names.

    :raise UsageError: an unknown application, profile or machine, a missing file, or values that don't fit.
    :raise ManifestError: a manifest or profile that doesn't hold.
    """
    app = find_app(request.app, layout)
    if request.initrd is not None and not request.initrd.is_file():
        raise UsageError(f"there is no file {request.initrd}", hint="--initrd names a cpio archive")
    manifest = app.manifest
    mounted = mounted_by(app, request.volumes, request.shares)
    profile = read_profile(layout.profiles, request.profile or manifest.profile, root=layout.project)
    defaults = profile.machine
    usual_mib = _usual_memory_mib(app, profile)
    spec = MachineSpec(
        target=request.target or defaults.target or DEFAULT_TARGET,
        memory_mib=request.memory_mib or usual_mib,
        cpus=defaults.cpus or 1,
        network=manifest.run.network,
        forwards=request.forwards,
        volumes=with_files(disks_of(mounted), request.volumes),
        shares=with_folders(shares_of(mounted), request.shares),
    )
    entry = choose_entry(profile, request.ring, request.syscall, request.syscalls)
    if request.pack is not None and find_carrier(request.pack).is_disk and request.initrd is not None:
        raise UsageError(f"a kernel without an initramfs unpacks no {request.initrd}", hint="--pack initramfs")
    plan = Plan(
        app=app,
        profile=profile,
        machine=compose(spec),
        entry=entry,
        kernel=chosen_kernel(layout, request.kernel),
        mounted=mounted,
        memory_mib=spec.memory_mib if spec.memory_mib != usual_mib else None,
        words=request.words,
        initrd=request.initrd,
        pack=request.pack,
    )
    if request.pack is None and request.initrd is None:
        return plan
    return plan.packed(find_carrier(request.pack) if request.pack else Initramfs())


def find_app(word: str, layout: Layout) -> App:
    """The application that a word of the command line names: as :meth:`Catalogue.find` does, or a program by its path.

    The manifest that is made for a program is kept below ``build/``.

    :raise UsageError: there is none.
    :raise ManifestError: its manifest doesn't hold.
    :raise BuildError: the program is none for this processor, or lacks something that it needs.
    """
    if is_program(word):
        return program_app(Path(word), layout.build / _PROGRAMS)
    return Catalogue(layout.apps).find(word)


def _usual_memory_mib(app: App, profile: Profile) -> int:
    return max(app.manifest.run.memory_mib, profile.machine.memory_mib or 0)


def _run_wishes(app: App, layout: Layout) -> tuple[Wish, ...]:
    """What init needs for what the run table asks of it."""
    lines, settings = key_lines(app.path.read_text(encoding="utf-8")), app.manifest.run

    def origin(key: str) -> Origin:
        return Origin(_relative(app.path, layout), lines.get(f"run.{key}"))

    symbols = dict.fromkeys(mount.symbol for mount in settings.mount_points)
    wishes = [Wish(symbol, "y", origin("mounts"), "init mounts it") for symbol in symbols]
    if settings.has_identity:
        key = "user" if settings.user is not None else "groups"
        wishes.append(Wish("MULTIUSER", "y", origin(key), "init becomes the user"))
    return tuple(wishes)


def _relative(path: object, layout: Layout) -> str:
    text = str(path)
    return text.removeprefix(f"{layout.project}/")
