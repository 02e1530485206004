# SPDX-License-Identifier: GPL-2.0-only
"""What an image mounts of the host's: its manifest's volumes, and what the user asks for beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unilinux.app.catalogue import App, place_word
from unilinux.app.volume import Share, Volume
from unilinux.core.errors import UsageError
from unilinux.machine import spec
from unilinux.machine.spec import SharedFolder, VolumeFile

_USUAL_MIB = 64
"""The size of a volume that no manifest knows, if it is made."""

_REBUILD = "name the application instead of the image's folder, and an image that mounts it is built"


def mounted_by(app: App, files: Sequence[VolumeFile], folders: Sequence[SharedFolder]) -> tuple[Volume | Share, ...]:
    """The volumes of the manifest, those at other paths that the user has files for, and the shares.

    :raise UsageError: the image can't have them.
    """
    own = app.manifest.volume
    further = [one.path for one in files if one.path not in {volume.path for volume in own}]
    try:
        mounted: tuple[Volume | Share, ...] = (*own, *map(_volume, further), *map(_share, folders))
    except ValueError as error:
        hint = f"{VolumeFile.HINT}; {SharedFolder.HINT}"
        raise UsageError("a volume or share is mounted at a normal absolute path other than /", hint=hint) from error
    if problems := app.manifest.place_problems(mounted):
        hint = "mount it at another path: --volume FILE:/PATH, --share FOLDER:/PATH"
        raise UsageError("; ".join(problems), hint=hint)
    return mounted


def disks_of(mounted: Iterable[Volume | Share]) -> tuple[spec.Volume, ...]:
    """The volumes as a machine has them, without files."""
    return tuple(
        spec.Volume(name=one.name, path=one.path, size_mib=one.size_mib, file_system=one.file_system)
        for one in mounted
        if isinstance(one, Volume)
    )


def shares_of(mounted: Iterable[Volume | Share]) -> tuple[spec.Share, ...]:
    """The shares as a machine has them, without folders."""
    return tuple(
        spec.Share(name=one.name, path=one.path, read_only=one.read_only) for one in mounted if isinstance(one, Share)
    )


def with_files(volumes: tuple[spec.Volume, ...], files: Sequence[VolumeFile]) -> tuple[spec.Volume, ...]:
    """The volumes of a machine, with the files that the user names for some.

    :raise UsageError: a file is for a path at which there is no volume.
    """
    by_path = {one.path: one.file for one in files}
    if lost := sorted(by_path.keys() - {volume.path for volume in volumes}):
        raise UsageError(f"the image mounts no volume at {lost[0]}; it has {_listed(volumes)}", hint=_REBUILD)
    return tuple(replace(volume, file=by_path.get(volume.path, volume.file)) for volume in volumes)


def with_folders(shares: tuple[spec.Share, ...], folders: Sequence[SharedFolder]) -> tuple[spec.Share, ...]:
    """The shares of a machine, with the folders that the user names.

    :raise UsageError: a folder is for a path at which there is no share, or one that is shared in the other way.
    """
    by_path = {one.path: one for one in folders}
    if lost := sorted(by_path.keys() - {share.path for share in shares}):
        raise UsageError(f"the image mounts no share at {lost[0]}; it has {_listed(shares)}", hint=_REBUILD)
    for share in shares:
        if (asked := by_path.get(share.path)) is not None and asked.read_only != share.read_only:
            way = "read-only" if share.read_only else "to be written to"
            raise UsageError(f"the image mounts its share at {share.path} {way}", hint=_REBUILD)
    found = {path: one.folder for path, one in by_path.items()}
    return tuple(replace(share, folder=found.get(share.path, share.folder)) for share in shares)


def _volume(path: str) -> Volume:
    return Volume(name=f"volume-{place_word(Path(path))}", path=path, size_mib=_USUAL_MIB)


def _share(asked: SharedFolder) -> Share:
    way = "ro-" if asked.read_only else ""
    return Share(name=f"share-{way}{place_word(Path(asked.path))}", path=asked.path, read_only=asked.read_only)


def _listed(there: Sequence[spec.Volume | spec.Share]) -> str:
    return ", ".join(one.path for one in there) or "none"
