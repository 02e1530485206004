# SPDX-License-Identifier: GPL-2.0-only
"""Programs that build steps call, out of Debian's packages: they are in no image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from unilinux.core.hosttools import UNPACKER
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.tree import File, Symlink
from unilinux.fetch.apt import Wanted
from unilinux.fetch.fetcher import Fetcher, require_intact
from unilinux.sources.deb import USUALLY_EXCLUDED, USUALLY_WITHOUT
from unilinux.sources.packages import Unpacking

_TREE = "tree"


def unpack_tools(packages: Sequence[str], *, fetcher: Fetcher, store: Store) -> Output:
    """Packages with all that they depend on, unpacked without root: see :func:`tools_folder`.

    They run on this host, with its own libraries where they look for some in the usual folders.

    :raise DownloadError: one isn't offered, they don't fit each other, or one could not be fetched whole.
    :raise BuildError: two of them have one file.
    """
    first, *others = packages
    found = fetcher.debian_packages(Wanted(package=first, also=tuple(others), without=USUALLY_WITHOUT))
    step = Step(
        name="build-packages",
        label=f"unpacking {', '.join(packages)}",
        spec={"order": list(found), "exclude": USUALLY_EXCLUDED},
        inputs={f"package:{name}": package.sha256 for name, package in found.items()},
        tools=UNPACKER,
    )

    def action(space: Workspace) -> None:
        unpacking = Unpacking(space.out / _TREE, USUALLY_EXCLUDED)
        for name, package in found.items():
            space.step.detail(name)
            require_intact(package.path, package.sha256)
            unpacking.add_package(name, package.path)
        for entry in unpacking.finish():
            place = space.out / _TREE / entry.path.lstrip("/")
            if isinstance(entry, File) and entry.mode & 0o111:
                place.chmod(0o755)
            elif isinstance(entry, Symlink) and entry.target.startswith("/"):
                _lead_within(place, space.out / _TREE)

    return store.run(step, action)


def _lead_within(link: Path, folder: Path) -> None:
    """Make a link to an absolute path one to that path below ``folder``: the host has others' files there, or none."""
    target = folder / os.readlink(link).lstrip("/")
    link.unlink()
    link.symlink_to(os.path.relpath(target, link.parent))


def tools_folder(output: Output) -> Path:
    """The folder with ``usr/bin`` and all else of the packages."""
    return output.path / _TREE
