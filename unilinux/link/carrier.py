# SPDX-License-Identifier: GPL-2.0-only
"""How an application's files reach the kernel: the boundary between a tree of files and a kernel's build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unilinux.core.store import Store
from unilinux.core.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """One application's files as a carrier has packed them.

    ``files`` are those that the kernel is linked with, by their names in the output folder of the
    kernel's build; ``digest`` stands for all that was packed. ``initrd`` is the form in which a boot loader
    hands the same files to a kernel that was built without them; None: this carrier has no such form.
    ``disk`` is the image of the disk that the kernel mounts as its root, if the files are on one.
    """

    files: Mapping[str, Path]
    digest: str
    size_bytes: int
    initrd: Path | None = None
    disk: Path | None = None


class Carrier(Protocol):
    """One way in which files get into a kernel image."""

    @property
    def name(self) -> str:
        """What it is called, in ``image.json`` too."""

    @property
    def is_disk(self) -> bool:
        """Whether the files are on a read-only disk, so that init has to make a writable layer above it."""

    @property
    def wishes(self) -> Mapping[str, str]:
        """The Kconfig symbols, without ``CONFIG_``, and the values that a kernel needs for it."""

    @property
    def placeholders(self) -> Mapping[str, bytes]:
        """Contents of :attr:`Cargo.files` that let the kernel's objects be compiled before there is a cargo."""

    def pack(self, tree: Tree, store: Store) -> Cargo:
        """Pack a tree: a build step.

        :raise ManifestError: the tree has something that this carrier can't carry.
        """
