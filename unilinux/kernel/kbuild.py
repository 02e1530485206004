# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a kernel that no application has a part in: headers for programs, and all objects.

:mod:`unilinux.kernel.link` makes the image of them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from unilinux.core.errors import ConfigError
from unilinux.core.files import digest_bytes, write_if_changed
from unilinux.core.hosttools import KERNEL
from unilinux.core.sandbox import sandbox_of
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.kernel.make import OBJECTS, compiler_wrapper, make, remove_links, view
from unilinux.kernel.messages import planned_objects
from unilinux.kernel.saved import take_notes
from unilinux.kernel.source import KernelTree

# The numbers of the system calls that stay, of a configuration with UNILINUX_SYSCALLS: this is the default of
# UNILINUX_SYSCALLS_LIST. It is the application's, as its files are, so that the objects serve all applications.
SYSCALLS = "usr/unilinux.syscalls"

REQUIRED: Mapping[str, str] = MappingProxyType({"PVH": "y"})
"""Kconfig symbols, without ``CONFIG_``, that every configuration must have to be built here."""

_PREPARED = "--old-file=prepare"  # for a make after “make prepare”: it would only look at objtool again
# What linking makes anew each time.
_LINKED = (
    "vmlinux",
    "vmlinux.o",
    ".tmp_vmlinux*",
    "System.map",
)


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
        tools = compiler_wrapper(space.scratch / "tools", space.compiler_cache)
        place = view(tree.path, space.scratch / "view")
        label = f"making the headers of Linux {tree.release}"
        make(place, ["headers"], tools=tools, log=space.log, step=space.step, label=label, sandbox=sandbox_of(space))
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
    reason: Callable[[], str | None] = lambda: None,
) -> Output:
    """Every object of a kernel with the ``.config`` text ``config``: all but the final link.

    :param required: symbols and values, beside :data:`REQUIRED`, without which the application's files can't get in.
    :param placeholders: contents that stand for those files meanwhile, by their names in the output folder.
    :param reason: asked only when there is something to compile: why that is, for the user.
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

    def action(space: Workspace) -> None:
        if text := reason():
            space.step.note(text)
        _compile(space, tree, config, placeholders)

    return store.run(step, action)


def _compile(space: Workspace, tree: KernelTree, config: str, placeholders: Mapping[str, bytes]) -> None:
    tools = compiler_wrapper(space.scratch / "tools", space.compiler_cache)
    sandbox = sandbox_of(space)
    place = view(tree.path, space.out)
    objects = place / OBJECTS
    # A newer file alone would make an interrupted build start over.
    write_if_changed(objects / ".config", config.encode())
    for name, content in placeholders.items():
        write_if_changed(objects / name, content)
    write_if_changed(objects / SYSCALLS, system_call_list(()))
    label = f"compiling Linux {tree.release}"

    def making(*words: str, log: Path = space.log, total: int | None = None, may_fail: bool = False) -> Sequence[str]:
        step = space.step
        return make(
            place,
            words,
            tools=tools,
            log=log,
            step=step,
            label=label,
            total=total,
            may_fail=may_fail,
            sandbox=sandbox,
        )

    making("prepare")
    # What a dry run would compile is what there is to compile. It fails in the end for want of libraries.
    planned = making(_PREPARED, "--dry-run", "vmlinux", log=space.scratch / "dry-run.log", may_fail=True)
    making(_PREPARED, "vmlinux", total=planned_objects(planned))
    check_config(config, (objects / ".config").read_text())
    for pattern in _LINKED:
        for path in objects.glob(pattern):
            path.unlink()
    # objtool stays for configurations whose link calls it; what it was made of may go.
    for path in (objects / "tools").rglob("*.[oa]"):
        path.unlink()
    take_notes(place, (*placeholders, SYSCALLS), tools=tools, log=space.log, step=space.step, sandbox=sandbox)
    remove_links(place)  # an output names no other place; whoever works with it calls view() again


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
