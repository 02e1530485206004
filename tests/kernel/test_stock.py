# SPDX-License-Identifier: GPL-2.0-only
"""With all options of the series off, the patched kernel's entry code is the stock kernel's, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress, StepHandle
from unilinux.core.layout import Layout
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.make import OBJECTS, compiler_wrapper, make, view
from unilinux.kernel.source import KernelTree, find_kernel, kernel_tree

pytestmark = [pytest.mark.tree, pytest.mark.slow, pytest.mark.timeout(1800)]

# What makes the most of entry_64.S, and of what the series changes beside it.
OPTIONS = (
    "64BIT",
    "SMP",
    "PREEMPT",
    "CPU_MITIGATIONS",
    "UNWINDER_ORC",
    "X86_MCE",
    "SECCOMP",
)

RETPOLINE = {"6.12": "MITIGATION_RETPOLINE", "6.1": "RETPOLINE"}

# Objects of sources in which every change of the series lies under an option, but for kernel/signal.c and
# arch/x86/kernel/nmi.c: a condition that is always false there has the compiler order two branches otherwise.
SAME = (
    "arch/x86/entry/entry_64.o",
    "arch/x86/kernel/idt.o",
    "arch/x86/kernel/process_64.o",
    "arch/x86/kernel/ptrace.o",
    "arch/x86/kernel/signal.o",
    "arch/x86/kernel/traps.o",
    "arch/x86/kernel/cpu/mce/core.o",
    "kernel/exit.o",
    "kernel/fork.o",
)


def stock_tree(tree: KernelTree, target: Path) -> Path:
    """The tree without its series: what the series changed as it was, what it added gone."""
    subprocess.run(["cp", "--archive", "--reflink=auto", tree.path, target], check=True)
    subprocess.run(["chmod", "--recursive", "u+w", target], check=True)
    for file in tree.series.files:
        original = tree.originals / file
        (target / file).unlink(missing_ok=True)
        if original.exists():
            shutil.copy2(original, target / file)
    return target


def compiled(tree: Path, options: Sequence[str], where: Path) -> Path:
    """The folder of the objects named in SAME, made of ``tree`` with ``options`` on tinyconfig."""
    progress = Progress(NullSink())
    tools = compiler_wrapper(where / "tools")
    place = view(tree, where / "view")
    with progress.step("stock", "objects") as step:
        goals(place, ["tinyconfig"], tools, where, step)
        with (place / OBJECTS / ".config").open("a") as config:
            config.writelines(f"CONFIG_{option}=y\n" for option in options)
        goals(place, ["olddefconfig"], tools, where, step)
        goals(place, ["prepare", *SAME], tools, where, step)
        return place / OBJECTS


def goals(place: Path, names: list[str], tools: Path, where: Path, step: StepHandle) -> None:
    make(place, names, tools=tools, log=where / "log", step=step, label="entry code")


def content(path: Path) -> bytes:
    """An object without what names its source lines: debug information, WARN()s, names of initcalls."""
    bare = path.with_suffix(".bare")
    subprocess.run(["objcopy", "--strip-unneeded", "--remove-section=*__bug_table", path, bare], check=True)
    return bare.read_bytes()


@pytest.mark.parametrize("kernel", RETPOLINE)
def test_entry_code_with_all_options_off(kernel: str, layout: Layout, store: Store, tmp_path: Path) -> None:
    tree = kernel_tree(find_kernel(layout, kernel), fetcher=Fetcher(layout, Progress(NullSink())), store=store)
    options = (*OPTIONS, RETPOLINE[kernel])
    ours = compiled(tree.path, options, tmp_path / "ours")
    stock = compiled(stock_tree(tree, tmp_path / "linux"), options, tmp_path / "stock")
    configuration = (ours / ".config").read_text()
    assert [option for option in options if f"CONFIG_{option}=y" not in configuration] == []
    assert "# CONFIG_UNILINUX_EXIT is not set" in configuration
    assert "CONFIG_UNILINUX_RING0=y" not in configuration
    assert [name for name in SAME if content(ours / name) != content(stock / name)] == []
