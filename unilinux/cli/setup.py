"""The host: what was found on it, and what is left behind on it."""

from __future__ import annotations

from pathlib import Path

from unilinux.arch.architecture import X86_64
from unilinux.cli.session import session
from unilinux.core.command import require_tool
from unilinux.core.files import remove_tree
from unilinux.vm.choose import native_engine

_TOOLS = ("gcc", "make", "flex", "bison", "bc", "lz4", "xz", "perl", "git", "setpriv", X86_64.emulator)


def show_host(project: Path, *, verbose: bool) -> None:
    """See that every tool is there, and whether KVM runs guests."""
    with session(project, verbose=verbose) as run:
        for tool in _TOOLS:
            require_tool(tool)
        with run.progress.step("accelerator", "looking for KVM"):
            found = native_engine("auto", run.layout.cache)
        run.answer({}, lambda: f"all tools are there\n{found.reason}\nthe cache is {run.layout.cache}")


def clean(project: Path, *, cache: bool, verbose: bool) -> None:
    """Remove the images, and the cache too if asked for."""
    with session(project, verbose=verbose) as run:
        folders = [run.layout.build, *([run.layout.cache] if cache else [])]
        for folder in folders:
            with run.progress.step("clean", f"removing {folder}"):
                remove_tree(folder)
