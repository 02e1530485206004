"""Building a kernel in three steps: user headers, all objects, and the image with the application's files.

Only the last knows the application, and it compiles no kernel code: an
application's change costs a relink.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.arch.architecture import X86_64
from unilinux.core.command import run
from unilinux.core.errors import BuildError, ConfigError
from unilinux.core.files import digest_bytes, write_if_changed
from unilinux.core.hosttools import KERNEL
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.kernel.make import OBJECTS, compiler_wrapper, copy_view, make, remove_links, view
from unilinux.kernel.source import KernelTree

# The numbers of the system calls that stay, of a configuration with UNILINUX_SYSCALLS: this is the default of
# UNILINUX_SYSCALLS_LIST. It is the application's, as its files are, so that the objects serve all applications.
SYSCALLS = "usr/unilinux.syscalls"

REQUIRED: Mapping[str, str] = MappingProxyType({"PVH": "y"})
"""Kconfig symbols, without ``CONFIG_``, that every configuration must have to be built here."""

# XEN_ELFNOTE_PHYS32_ENTRY (include/xen/interface/elfnote.h): where a PVH loader enters.
_PVH_NOTE = re.compile(r"^\s*Xen\s+0x\w+\s+.*\(0x0*12\)", re.MULTILINE)
# What linking makes anew each time, so that it isn't copied in vain.
_LINKED = (
    "vmlinux",
    "vmlinux.o",
    ".tmp_vmlinux*",
    "System.map",
    X86_64.boot_image_path,
    f"{X86_64.folder}/boot/vmlinux.bin",
    f"{X86_64.folder}/boot/compressed/vmlinux",
    f"{X86_64.folder}/boot/compressed/vmlinux.bin*",
    f"{X86_64.folder}/boot/compressed/piggy.*",
)


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
    def bzimage(self) -> Path:
        """The same for other loaders."""
        return self.output.path / "bzImage"

    @property
    def system_map(self) -> Path:
        """Addresses of all symbols."""
        return self.output.path / "System.map"

    @property
    def config(self) -> Path:
        """The configuration, as the kernel's own Kconfig left it."""
        return self.output.path / "config"


def install_headers(tree: KernelTree, *, store: Store) -> Output:
    """The kernel's headers for programs, in ``include/``.

    :raise BuildError: with make's own lines.
    """
    step = Step(
        name="kernel-headers",
        label=f"headers of Linux {tree.release}",
        spec={},
        inputs={"tree": tree.output.digest},
        tools=KERNEL,
    )

    def action(space: Workspace) -> None:
        tools = compiler_wrapper(space.scratch / "tools")
        place = view(tree.path, space.scratch / "view")
        label = f"making the headers of Linux {tree.release}"
        make(place, ["headers"], tools=tools, log=space.log, step=space.step, label=label)
        # “headers” instead of “headers_install”: the latter copies with rsync, and that is all.
        headers = place / OBJECTS / "usr/include"
        shutil.copytree(headers, space.out / "include", ignore=_all_but_headers)

    return store.run(step, action)


def _all_but_headers(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".h") and not Path(folder, name).is_dir()]


def compile_objects(
    tree: KernelTree,
    config: str,
    *,
    required: Mapping[str, str],
    placeholders: Mapping[str, bytes],
    store: Store,
) -> Output:
    """Every object of a kernel with the ``.config`` text ``config``: all but the final link.

    :param required: symbols and values, beside :data:`REQUIRED`, without which the application's files can't get in.
    :param placeholders: contents that stand for those files meanwhile, by their names in the output folder.
    :raise ConfigError: ``config`` lacks what is required, or isn't what the kernel's own Kconfig makes of it.
    :raise BuildError: with the compiler's own lines.
    """
    asked = parse_config(config)
    needed = {**required, **REQUIRED}
    missing = [f"{name}: must be {value}" for name, value in needed.items() if asked.get(name) != value]
    if missing:
        raise ConfigError("the kernel configuration lacks what every image needs", details=missing)
    step = Step(
        name="kernel-objects",
        label=f"compiling Linux {tree.release}",
        spec={
            "placeholders": {name: digest_bytes(content) for name, content in placeholders.items()},
        },
        inputs={"tree": tree.output.digest, "config": digest_bytes(config.encode())},
        tools=KERNEL,
        # An interrupted compile goes on where it was: kbuild rebuilds an object unless the command
        # in its .cmd file is the one it would run, and writes that file only after the command
        # has succeeded. The tree, the configuration and the tools can't have changed: they are in
        # the key. What was killed in the middle thus has no .cmd file and is made anew.
        resumable=True,
        by_key=True,
    )
    return store.run(step, lambda space: _compile(space, tree, config, placeholders))


def _compile(space: Workspace, tree: KernelTree, config: str, placeholders: Mapping[str, bytes]) -> None:
    tools = compiler_wrapper(space.scratch / "tools")
    place = view(tree.path, space.out)
    objects = place / OBJECTS
    # A newer file alone would make an interrupted build start over.
    write_if_changed(objects / ".config", config.encode())
    for name, content in placeholders.items():
        write_if_changed(objects / name, content)
    write_if_changed(objects / SYSCALLS, system_call_list(()))
    label = f"compiling Linux {tree.release}"
    make(place, ["bzImage"], tools=tools, log=space.log, step=space.step, label=label)
    check_config(config, (objects / ".config").read_text())
    for pattern in _LINKED:
        for path in objects.glob(pattern):
            path.unlink()
    # objtool stays for configurations whose link calls it; what it was made of may go.
    for path in (objects / "tools").rglob("*.[oa]"):
        path.unlink()
    remove_links(place)  # an output names no other place; whoever works with it calls view() again


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


def _link(
    space: Workspace, tree: KernelTree, objects: Output, files: Mapping[str, Path], syscalls: Sequence[int]
) -> None:
    tools = compiler_wrapper(space.scratch / "tools")
    # A copy, not hard links: some of the tools overwrite their output in place.
    copy_view(objects.path, space.scratch / "view")
    place = view(tree.path, space.scratch / "view")
    built = place / OBJECTS
    config = (built / ".config").read_text()
    for name, file in files.items():
        shutil.copyfile(file, built / name)
    write_if_changed(built / SYSCALLS, system_call_list(syscalls))
    make(
        place,
        ["vmlinux", "bzImage"],
        # “prepare” was done with the objects. It would only build objtool again, the one thing
        # in an output folder that has absolute paths in its commands.
        options=["--old-file=prepare"],
        tools=tools,
        log=space.log,
        step=space.step,
        label=f"linking Linux {tree.release}",
    )
    check_config(config, (built / ".config").read_text())
    os.replace(built / X86_64.boot_image_path, space.out / "bzImage")
    os.replace(built / "System.map", space.out / "System.map")
    os.replace(built / "vmlinux", space.out / "vmlinux.debug")
    os.replace(built / ".config", space.out / "config")
    run(["strip", "--strip-all", "-o", space.out / "vmlinux", space.out / "vmlinux.debug"], log=space.log)
    (space.out / "bzImage").chmod(0o644)
    notes = run(["readelf", "--notes", "--wide", space.out / "vmlinux"], log=space.log).output
    if not _PVH_NOTE.search(notes):
        raise BuildError("the linked vmlinux has no PVH entry: QEMU couldn't boot it", details=notes.splitlines())


def system_call_list(numbers: Sequence[int]) -> bytes:
    """The content of :data:`SYSCALLS`."""
    return "".join(f"{number}\n" for number in sorted(numbers)).encode()


def parse_config(text: str) -> dict[str, str]:
    """The symbols of a ``.config``, without ``CONFIG_`` and quotes; ``n`` for what is not set."""
    symbols = dict.fromkeys(re.findall(r"^# CONFIG_(\w+) is not set$", text, re.MULTILINE), "n")
    for name, value in re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE):
        symbols[name] = value[1:-1] if value.startswith('"') else value
    return symbols


def check_config(asked: str, got: str) -> None:
    """Kconfig, which make runs again, must agree with what was resolved.

    :raise ConfigError: it doesn't; each symbol is named.
    """
    before, after = parse_config(asked), parse_config(got)
    changed = [
        f"{name}: asked for {before.get(name, 'n')}, got {after.get(name, 'n')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, "n") != after.get(name, "n")
    ]
    if changed:
        raise ConfigError("the kernel's Kconfig made something else of the configuration", details=changed)
