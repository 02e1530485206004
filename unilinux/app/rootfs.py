# SPDX-License-Identifier: GPL-2.0-only
"""What lies in the image of one application: our init, its files, and a few that every Unix program expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from unilinux.app.built import TRAP, Built
from unilinux.app.catalogue import App
from unilinux.app.files import INIT_PATH, STICKY, TERMINAL
from unilinux.app.files import File as Listed
from unilinux.app.render import render
from unilinux.app.run import standard_streams
from unilinux.app.volume import Share, Volume
from unilinux.core.errors import ManifestError
from unilinux.core.store import Output
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.elf.file import is_elf
from unilinux.sources.accounts import group_lines, passwd_lines
from unilinux.sources.hostfiles import entries_of

# What every Unix program takes for granted. Numbers of devices are from the kernel's
# Documentation/admin-guide/devices.txt. An image without devtmpfs gets on with these.
_DEVICES = (
    Device("/dev/console", "c", 5, 1, TERMINAL),
    Device("/dev/full", "c", 1, 7, 0o666),
    Device("/dev/null", "c", 1, 3, 0o666),
    Device("/dev/random", "c", 1, 8, 0o666),
    Device("/dev/tty", "c", 5, 0, 0o666),
    Device("/dev/ttyS0", "c", 4, 64, TERMINAL),
    Device("/dev/urandom", "c", 1, 9, 0o666),
    Device("/dev/zero", "c", 1, 5, 0o666),
)
_ACCOUNTS = (File("/etc/group", group_lines()), File("/etc/passwd", passwd_lines()))


# Files of some seconds' life, and process numbers; for shm_open().
_FOLDERS = (Directory("/dev/shm", STICKY), Directory("/run"), Directory("/tmp", STICKY))
_VAR_RUN = Symlink("/var/run", "../run")


def root_files(
    app: App,
    *,
    built: Output,
    way_of: Callable[[Listed], str] = lambda _: TRAP,
    memory_mib: int | None = None,
    nameserver: str,
    mounted: Sequence[Volume | Share] = (),
) -> Tree:
    """The tree of the image, but for init: see :func:`with_init`.

    :param built: what :func:`unilinux.app.build.build_app` returned.
    :param way_of: by which way a program that was built enters the kernel, as in :mod:`unilinux.app.built`.
    :param nameserver: the address of the guest's name server.
    :param memory_mib: the guest's memory as templates see it; None: as the manifest says.
    :param mounted: what init mounts beside the mounts of the manifest.
    :raise ManifestError: a template doesn't hold, or two files have one path.
    """
    own = [
        entry
        for listed in app.manifest.files
        for entry in _owned(_entries(app, listed, Built(built.path), way_of(listed), memory_mib), listed)
    ]
    general: list[Entry] = [*_DEVICES, *_ACCOUNTS, *_FOLDERS, _VAR_RUN]
    general += [Symlink(path, target) for path, target in standard_streams(app.manifest.run).items()]
    known = {entry.path for entry in general}
    general += [Directory(mount.target) for mount in app.manifest.run.mount_points if mount.target not in known]
    if app.manifest.run.network:
        general.append(File("/etc/resolv.conf", f"nameserver {nameserver}\n".encode()))
        general.append(File("/etc/hosts", f"127.0.0.1 localhost {app.manifest.run.hostname}\n".encode()))
    given = {entry.path for entry in own}
    if INIT_PATH in given:
        raise ManifestError(f"{app.path}: files: {INIT_PATH} is the program of UniLinux that starts the application")
    # What the manifest has takes the place of ours; below a link or file of its own nothing of ours can be.
    closed = {entry.path for entry in own if not isinstance(entry, Directory)}
    ours = [
        entry
        for entry in general
        if entry.path not in given and not any(str(above) in closed for above in PurePosixPath(entry.path).parents)
    ]
    tree = _with_places(Tree.of([*own, *ours]), mounted)
    _require_folder(app, tree)
    return tree


def with_init(tree: Tree, init: Output) -> Tree:
    """The tree with the program that starts the application.

    :param init: what :func:`unilinux.app.init.compile.build_init` returned.
    """
    return Tree.of([*tree.entries, File(INIT_PATH, init.path / "init", 0o755)])


def _with_places(tree: Tree, mounted: Sequence[Volume | Share]) -> Tree:
    """The tree with a folder for each, whose owner and mode init hands on to the volume that it mounts there."""
    there = {entry.path: entry for entry in tree.entries}
    places: dict[str, Entry] = {}
    for one in mounted:
        place = there.get(one.path, Directory(one.path))
        if isinstance(one, Volume):
            if one.mode is not None and isinstance(place, Directory):
                place = replace(place, mode=int(one.mode, 8))
            if (owner := one.uid_gid) is not None:
                place = replace(place, uid=owner[0], gid=owner[1])
        places[one.path] = place
    if not places:
        return tree
    return Tree.of([*(entry for entry in tree.entries if entry.path not in places), *places.values()])


def _require_folder(app: App, tree: Tree) -> None:
    """See that the application's working folder is there.

    :raise ManifestError: it isn't.
    """
    cwd = app.manifest.run.cwd
    below_mount = any(PurePosixPath(cwd).is_relative_to(mount.target) for mount in app.manifest.run.mount_points)
    found = next((entry for entry in tree.entries if entry.path == cwd), None)
    if cwd != "/" and not below_mount and not isinstance(found, Directory | Symlink):
        raise ManifestError(f"{app.path}: run.cwd: the image has no folder {cwd}; add it to files")


def template_variables(app: App, memory_mib: int | None = None) -> dict[str, Any]:
    """What templates of an application may use: ``[vars]``, and facts of the manifest."""
    manifest = app.manifest
    return {
        **manifest.vars,
        "name": manifest.name,
        "ports": manifest.run.ports,
        "memory_mib": manifest.run.memory_mib if memory_mib is None else memory_mib,
        "argv": manifest.run.argv,
    }


def _entries(app: App, listed: Listed, built: Built, way: str, memory_mib: int | None) -> Iterator[Entry]:
    at = listed.path
    if listed.symlink is not None:
        yield Symlink(at, listed.symlink)
    elif listed.directory:
        yield Directory(at, listed.permissions)
    elif listed.template is not None:
        text = render(app.folder / listed.template, template_variables(app, memory_mib))
        yield File(at, text.encode(), listed.permissions)
    elif listed.source is not None:
        yield from _with_mode(built.source_entries(listed.source, at), listed, None)
    elif listed.build is not None:
        for entry in _with_mode(entries_of(built.path(listed.build), at), listed, listed.permissions):
            yield _entering(entry, built, way)
    else:
        assert listed.local is not None  # the manifest has checked that one origin is set
        yield from _with_mode(entries_of(app.folder / listed.local, at), listed, listed.permissions)


def _with_mode(entries: Iterable[Entry], listed: Listed, usual: int | None) -> Iterator[Entry]:
    """A single file gets the mode of the list, or its kind's usual one; those of a folder keep their own.

    :raise ManifestError: a mode is given for a folder.
    """
    for number, entry in enumerate(entries):
        mode = int(listed.mode, 8) if listed.mode is not None else usual
        if isinstance(entry, File) and number == 0 and mode is not None:
            yield replace(entry, mode=mode)
        elif listed.mode is not None and isinstance(entry, Directory) and number == 0:
            raise ManifestError(
                f"{listed.path} is a folder of files, which have modes of their own: mode is for single files"
            )
        else:
            yield entry


def _owned(entries: Iterable[Entry], listed: Listed) -> Iterator[Entry]:
    owner = listed.uid_gid
    for entry in entries:
        yield entry if owner is None else replace(entry, uid=owner[0], gid=owner[1])


def _entering(entry: Entry, built: Built, way: str) -> Entry:
    """The variant of a program that was linked to enter the kernel in this way; anything else as it is."""
    if not isinstance(entry, File) or not isinstance(entry.content, Path) or way == TRAP or not is_elf(entry.content):
        return entry
    program = built.program(entry.content.relative_to(built.folder).as_posix())
    return replace(entry, content=program.variants.get(way, entry.content))
