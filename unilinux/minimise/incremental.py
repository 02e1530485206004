# SPDX-License-Identifier: GPL-2.0-only
"""A working folder of kernel objects that is rebuilt from one configuration to the next.

kbuild compiles only what a changed symbol affects, so that a trial takes seconds where a
compile in the store takes minutes. Its results only serve to decide: the image that is kept
in the end is built by the store, from nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unilinux.core.command import run
from unilinux.core.errors import BuildError, HostError
from unilinux.core.events import Progress
from unilinux.core.files import explained_disk_errors, remove_tree, write_atomically, write_if_changed
from unilinux.core.locks import locked
from unilinux.core.sandbox import Sandbox
from unilinux.core.store import Output
from unilinux.elf.file import read_elf
from unilinux.kernel.kbuild import SYSCALLS, check_config, system_call_list
from unilinux.kernel.make import OBJECTS, compiler_wrapper, copy_view, make, view
from unilinux.kernel.source import KernelTree

# A kernel's objects and what the linker makes of them.
_LEAST_FREE_BYTES = 1 << 30
_NO_SPACE = "No space left on device"
_VIEW, _SEED, _TOOLS = "view", "seed", "tools"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A kernel to boot, and how many bytes of it are loaded; the next build overwrites it."""

    vmlinux: Path
    loaded: int


class KernelBuilder(Protocol):
    """Builds one configuration after the other."""

    def build(self, config: str) -> Built:
        """Build the ``.config`` text with the application.

        :raise BuildError: the compiler or linker failed.
        :raise ConfigError: the kernel's own Kconfig changes it.
        :raise HostError: the disk is full.
        """


class IncrementalBuilder:
    """The builder for one application in ``folder``; made by :func:`incremental_builder`, which locks it."""

    def __init__(
        self,
        folder: Path,
        tree: KernelTree,
        files: Mapping[str, Path],
        *,
        seed: Callable[[], Output],
        syscalls: Sequence[int],
        progress: Progress,
        compiler_cache: Path | None,
    ) -> None:
        self._folder = folder
        self._tree = tree
        self._files = files
        self._seed = seed
        self._syscalls = syscalls
        self._progress = progress
        self._compiler_cache = compiler_cache
        self._tools = compiler_wrapper(folder / _TOOLS, compiler_cache)

    def build(self, config: str) -> Built:
        """See :class:`KernelBuilder`. Takes seconds to minutes, as many objects as the change touches."""
        self._require_space()
        log = self._folder / "make.log"
        log.unlink(missing_ok=True)
        with explained_disk_errors(self._folder), self._progress.step("build", "building") as step:
            self._begin()
            place = view(self._tree.path, self._folder / _VIEW)
            objects = place / OBJECTS
            write_if_changed(objects / ".config", config.encode())
            for name, file in self._files.items():
                write_if_changed(objects / name, file.read_bytes())
            write_if_changed(objects / SYSCALLS, system_call_list(self._syscalls))
            try:
                label = f"compiling Linux {self._tree.release}"
                sandbox = self._sandbox()
                make(place, ["vmlinux"], tools=self._tools, log=log, step=step, label=label, sandbox=sandbox)
            except BuildError as error:
                self._require_space(error)
                raise
            check_config(config, (objects / ".config").read_text(encoding="utf-8"))
            return self._result(objects, log)

    def _sandbox(self) -> Sandbox:
        """Where the kernel's build may write: to this folder and the compilers' cache."""
        temporary = self._folder / "tmp"
        writable = (self._folder, *([self._compiler_cache] if self._compiler_cache else ()))
        for folder in (*writable, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        return Sandbox(writable=writable, temporary=temporary, visible=(self._tree.path,))

    def discard(self) -> None:
        """Remove the objects, some hundred MB: the next build begins from the seed again."""
        with explained_disk_errors(self._folder):
            (self._folder / _SEED).unlink(missing_ok=True)
            remove_tree(self._folder / _VIEW)

    def _begin(self) -> None:
        """Copy the seed's objects, unless this folder has some of the same kernel tree."""
        marker = self._folder / _SEED
        if not marker.exists() or marker.read_text(encoding="utf-8") != self._tree.output.digest:
            self.discard()
            copy_view(self._seed().path, self._folder / _VIEW)
            write_atomically(marker, self._tree.output.digest)

    def _result(self, objects: Path, log: Path) -> Built:
        vmlinux = self._folder / "vmlinux"
        run(["strip", "--strip-all", "-o", vmlinux, objects / "vmlinux"], log=log)
        return built(vmlinux)

    def _require_space(self, error: BuildError | None = None) -> None:
        """A full disk is the host's failure: it says nothing about the configuration."""
        free = shutil.disk_usage(self._folder).free
        if free < _LEAST_FREE_BYTES or (error is not None and any(_NO_SPACE in line for line in error.details)):
            raise HostError(
                f"{free >> 20} MiB are left on the disk of {self._folder}, too little to build kernels",
                hint="free some space and start the same command again: it continues where it was",
            ) from error


def built(vmlinux: Path) -> Built:
    """A vmlinux that is there.

    :raise BuildError: it is no whole ELF file.
    """
    return Built(vmlinux=vmlinux, loaded=read_elf(vmlinux).loaded_bytes)


@contextmanager
def incremental_builder(
    folder: Path,
    tree: KernelTree,
    files: Mapping[str, Path],
    *,
    seed: Callable[[], Output],
    progress: Progress,
    syscalls: Sequence[int] = (),
    compiler_cache: Path | None = None,
) -> Iterator[IncrementalBuilder]:
    """A builder in ``folder``, which it locks, for one application.

    :param files: the application's, as its carrier has packed them.
    :param syscalls: the system calls that stay.
    :param seed: gives the objects to begin with, for the first build of a kernel tree.

    :param compiler_cache: ccache's folder; None: compile without.
    :raise HostError: the disk is full or read-only.
    """
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        waiting = progress.note
        with locked(folder / "lock", lambda: waiting(f"another run works in {folder}: waiting for its end")):
            yield IncrementalBuilder(
                folder, tree, files, seed=seed, syscalls=syscalls, progress=progress, compiler_cache=compiler_cache
            )
