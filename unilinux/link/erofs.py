# SPDX-License-Identifier: GPL-2.0-only
"""A tree as a read-only file system (EROFS) on a disk, the same bytes for the same tree.

mkfs.erofs takes owners, modes and device nodes from the files that it packs, and only root could give files
those. So it sees them through fakeroot, which is told by a list what each file shall look like. Nothing is
compressed: the host's page cache holds the image as it is, and the guest takes no time to unpack it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.core.command import require_tool, run
from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.files import digest_file
from unilinux.core.sandbox import sandbox_of
from unilinux.core.store import Output, Step, Store, Workspace
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.link.carrier import Cargo
from unilinux.link.listing import listing, problems_of, shown

IMAGE = "root.erofs"

_TOOLS = ("mkfs.erofs", "fakeroot")
# Neither the date nor the identity of an image tells images of one tree apart. No extended attributes of the host.
_OPTIONS = ("-T0", "-U00000000-0000-0000-0000-000000000000", "-x-1")


@dataclass(frozen=True, slots=True)
class Erofs:
    """The carrier that puts the files on a disk, of which the kernel reads what is used when it is used."""

    name: str = "erofs"
    is_disk: bool = True

    @property
    def wishes(self) -> Mapping[str, str]:
        """See :class:`unilinux.link.carrier.Carrier`. What is written goes to a layer above, in memory."""
        return MappingProxyType(
            {
                "BLK_DEV_INITRD": "n",
                "MISC_FILESYSTEMS": "y",
                "EROFS_FS": "y",
                "EROFS_FS_XATTR": "n",
                "EROFS_FS_ZIP": "n",
                "OVERLAY_FS": "y",
                "SHMEM": "y",
                "TMPFS": "y",
                "TMPFS_XATTR": "y",  # how the layer remembers a folder that was removed and made anew
            }
        )

    @property
    def placeholders(self) -> Mapping[str, bytes]:
        """None: the kernel is linked without the files."""
        return MappingProxyType({})

    def pack(self, tree: Tree, store: Store) -> Cargo:
        """See :class:`unilinux.link.carrier.Carrier`."""
        packed = pack_erofs(tree, store)
        image = packed.path / IMAGE
        return Cargo(files=MappingProxyType({}), digest=packed.digest, size_bytes=image.stat().st_size, disk=image)


def pack_erofs(tree: Tree, store: Store) -> Output:
    """A folder with ``root.erofs``.

    :raise ManifestError: Linux takes no such entry.
    :raise HostError: a tool is missing.
    :raise BuildError: a file was changed while it was packed.
    """
    problems = [f"{shown(entry.path)}: {problem}" for entry in tree.entries for problem in problems_of(entry)]
    if problems:
        raise ManifestError("a file system can't hold some of the image's files", details=problems)
    for tool in _TOOLS:
        require_tool(tool)
    digests = {entry.path: entry.digest for entry in tree.entries if isinstance(entry, File)}
    step = Step(
        name="erofs",
        label="packing the files as EROFS",
        spec={"entries": listing(tree), "options": _OPTIONS},
        inputs=digests,
        tools=_TOOLS,
    )
    return store.run(step, lambda space: _pack(space, tree, digests))


def _pack(space: Workspace, tree: Tree, digests: Mapping[str, str]) -> None:
    root = space.scratch / "root"
    root.mkdir()
    seen = space.scratch / "seen"
    seen.write_text("".join(f"{line}\n" for line in _laid_out(tree, root, digests)), encoding="ascii")
    run(
        ["fakeroot", "-i", seen, "--", "mkfs.erofs", "--quiet", *_OPTIONS, space.out / IMAGE, root],
        cwd=space.scratch,
        log=space.log,
        sandbox=sandbox_of(space),
    )


def _laid_out(tree: Tree, root: Path, digests: Mapping[str, str]) -> Iterator[str]:
    """Lay out the files with the host's owners; what they shall look like, in fakeroot's words."""
    yield _look(root, stat.S_IFDIR | 0o755, Directory("/"))
    for entry in tree.entries:
        place = Path(os.fsdecode(os.fsencode(root) + os.fsencode(entry.path)))
        match entry:
            case Directory(mode=mode):
                place.mkdir()
                yield _look(place, stat.S_IFDIR | mode, entry)
            case File(content=content, mode=mode):
                if isinstance(content, bytes):
                    place.write_bytes(content)
                else:
                    shutil.copyfile(content, place)
                if digest_file(place) != digests[entry.path]:
                    raise BuildError(
                        f"the file for {entry.path} was changed while it was packed", hint="run the same command again"
                    )
                yield _look(place, stat.S_IFREG | mode, entry)
            case Symlink(target=target):
                place.symlink_to(target)
                yield _look(place, stat.S_IFLNK | 0o777, entry)
            case Device(kind=kind, major=major, minor=minor, mode=mode):
                place.touch()
                type_bits = stat.S_IFCHR if kind == "c" else stat.S_IFBLK
                yield _look(place, type_bits | mode, entry, os.makedev(major, minor))


def _look(place: Path, mode: int, entry: Entry, device: int = 0) -> str:
    found = place.lstat()
    owner = f"uid={entry.uid},gid={entry.gid}"
    return f"dev={found.st_dev:x},ino={found.st_ino},mode={mode:o},{owner},nlink={found.st_nlink},rdev={device}"
