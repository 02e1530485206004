# SPDX-License-Identifier: GPL-2.0-only
"""The image: a kernel's objects linked with an application's files.

No kernel code is compiled, but for the few objects that depend on which system calls stay: an
application's change costs a link. A bzImage, which takes longer than all else, is made of the
linked kernel when it is asked for.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unilinux.arch.architecture import X86_64
from unilinux.core.command import run
from unilinux.core.errors import BuildError
from unilinux.core.files import write_if_changed
from unilinux.core.hosttools import KERNEL
from unilinux.core.sandbox import sandbox_of
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.elf.file import read_elf
from unilinux.kernel.kbuild import SYSCALLS, parse_config, system_call_list
from unilinux.kernel.make import OBJECTS, compiler_wrapper, view
from unilinux.kernel.saved import Notes, SavedBuild, mirror, saved_build
from unilinux.kernel.source import KernelTree

BZIMAGE = "bzImage"

_BOOT = f"{X86_64.folder}/boot"
# With KASLR, the link takes these out of vmlinux, for the bzImage.
_RELOCATIONS = f"{_BOOT}/compressed/vmlinux.relocs"
# What the link itself writes to, beside the folders that use the application's files.
_OWN = ("init", "include/generated", f"{_BOOT}/compressed")
# With these, the whole kernel is linked to one object first.
_LINKED_TWICE = ("X86_KERNEL_IBT", "LTO_CLANG")
# XEN_ELFNOTE_PHYS32_ENTRY (include/xen/interface/elfnote.h): where a PVH loader enters.
_PVH_NOTE = ("Xen", 18)


@dataclass(frozen=True, slots=True)
class KernelImage:
    """A linked kernel in the store."""

    output: Output

    @property
    def vmlinux(self) -> Path:
        """Stripped ELF with a PVH entry: what QEMU boots directly."""
        return self.output.path / "vmlinux"

    @property
    def debug(self) -> Path:
        """The same with symbols, and with debug information if the configuration has it."""
        return self.output.path / "vmlinux.debug"

    @property
    def system_map(self) -> Path:
        """Addresses of all symbols."""
        return self.output.path / "System.map"

    @property
    def config(self) -> Path:
        """The configuration, as the kernel's own Kconfig left it."""
        return self.output.path / "config"


def link_image(
    tree: KernelTree,
    objects: Output,
    files: Mapping[str, Path],
    *,
    digest: str,
    store: Store,
    syscalls: Sequence[int] = (),
) -> KernelImage:
    """Link the objects with the application's files to the finished kernel.

    :param files: what a carrier has made of them, by the names in the output folder.
    :param digest: what stands for the content of ``files``.
    :param syscalls: the numbers of the system calls that stay, for a configuration with ``UNILINUX_SYSCALLS``.
    :raise BuildError: with the linker's own lines; or the result has no PVH entry.
    """
    step = Step(
        name="kernel-image",
        label=f"linking Linux {tree.release} with the application",
        spec={"syscalls": sorted(syscalls)},
        inputs={"objects": objects.digest, "files": digest},
        tools=KERNEL,
    )
    return KernelImage(store.run(step, lambda space: _link(space, tree, objects, files, syscalls)))


def make_bzimage(tree: KernelTree, objects: Output, image: KernelImage, *, store: Store) -> Output:
    """A folder with the image as ``bzImage``: compressed, for other loaders than QEMU's.

    :raise BuildError: with the compiler's own lines.
    """
    step = Step(
        name="kernel-bzimage",
        label=f"compressing Linux {tree.release} to a bzImage",
        spec={},
        inputs={"objects": objects.digest, "image": image.output.digest},
        tools=KERNEL,
    )
    return store.run(step, lambda space: _compress(space, tree, objects, image))


def _link(
    space: Workspace, tree: KernelTree, objects: Output, files: Mapping[str, Path], syscalls: Sequence[int]
) -> None:
    notes = Notes.read(objects.path)
    build = _mirrored(space, tree, objects, notes, (*notes.folders, *_OWN), f"linking Linux {tree.release}")
    built = build.objects
    for name, file in files.items():
        shutil.copyfile(file, built / name)
    write_if_changed(built / SYSCALLS, system_call_list(syscalls))
    for folder in notes.folders:
        build.make_in(folder)
    for archive in _archives_above(notes.folders):
        if build.has_command(archive):
            build.again(archive)
    build.again("vmlinux.a")
    config = parse_config((built / ".config").read_text(encoding="utf-8"))
    if any(config.get(symbol) == "y" for symbol in _LINKED_TWICE):
        build.make_with("Makefile.vmlinux_o")
    build.again("vmlinux")
    os.replace(built / "System.map", space.out / "System.map")
    os.replace(built / "vmlinux", space.out / "vmlinux.debug")
    os.replace(built / ".config", space.out / "config")
    if (built / _RELOCATIONS).exists():
        os.replace(built / _RELOCATIONS, space.out / PurePosixPath(_RELOCATIONS).name)
    run(["strip", "--strip-all", "-o", space.out / "vmlinux", space.out / "vmlinux.debug"], log=space.log)
    elf_notes = [(note.owner, note.kind) for note in read_elf(space.out / "vmlinux").notes]
    if _PVH_NOTE not in elf_notes:
        found = [f"note of {owner}: type {kind:#x}" for owner, kind in elf_notes]
        raise BuildError("the linked vmlinux has no PVH entry: QEMU couldn't boot it", details=found)


def _compress(space: Workspace, tree: KernelTree, objects: Output, image: KernelImage) -> None:
    notes = Notes.read(objects.path)
    label = f"compressing Linux {tree.release}"
    build = _mirrored(space, tree, objects, notes, (_BOOT, "include/generated"), label)
    shutil.copyfile(image.debug, build.objects / "vmlinux")
    relocations = image.output.path / PurePosixPath(_RELOCATIONS).name
    if relocations.exists():
        (build.objects / _RELOCATIONS).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(relocations, build.objects / _RELOCATIONS)
    build.make_in(_BOOT, X86_64.boot_image_path)
    os.replace(build.objects / X86_64.boot_image_path, space.out / BZIMAGE)
    (space.out / BZIMAGE).chmod(0o644)


def _mirrored(
    space: Workspace, tree: KernelTree, objects: Output, notes: Notes, own: Sequence[str], label: str
) -> SavedBuild:
    """The objects to work with. Only what is going to change is copied."""
    place = view(tree.path, space.scratch / "view")
    mirror(objects.path / OBJECTS, place / OBJECTS, own=own)
    tools = compiler_wrapper(space.scratch / "tools", space.compiler_cache)
    return saved_build(
        notes, place, tools=tools, log=space.log, step=space.step, label=label, sandbox=sandbox_of(space)
    )


def _archives_above(folders: Sequence[str]) -> list[str]:
    """The archives that name the objects of these folders, the innermost first."""
    above = {parent for folder in folders for parent in PurePosixPath(folder).parents}
    return [str(parent / "built-in.a") for parent in sorted(above, key=lambda path: -len(path.parts))]
