"""What lies in the image of one application: our init, its files, and a few that every Unix program expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unilinux.app.build import GATE_SUFFIX
from unilinux.app.catalogue import App
from unilinux.app.manifest import File as Listed
from unilinux.app.render import render
from unilinux.core.errors import BuildError
from unilinux.core.store import Output
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.elf.file import is_elf

INIT_PATH = "/init"

# Enough for an application that runs without devtmpfs; numbers from the kernel's Documentation/admin-guide/devices.txt.
_DEVICES = (
    Device("/dev/console", "c", 5, 1, 0o600),
    Device("/dev/null", "c", 1, 3, 0o666),
    Device("/dev/random", "c", 1, 8, 0o666),
    Device("/dev/tty", "c", 5, 0, 0o666),
    Device("/dev/ttyS0", "c", 4, 64, 0o600),
    Device("/dev/urandom", "c", 1, 9, 0o666),
    Device("/dev/zero", "c", 1, 5, 0o666),
)
_ACCOUNTS = (
    File("/etc/group", b"root:x:0:\nnogroup:x:65534:\n"),
    File("/etc/passwd", b"root:x:0:0:root:/:\nnobody:x:65534:65534:nobody:/:\n"),
)


def root_files(
    app: App,
    *,
    built: Output,
    init: Output,
    gate: bool = False,
    memory_mib: int | None = None,
    nameserver: str,
) -> Tree:
    """The tree of the image.

    :param built: what :func:`unilinux.app.build.build_app` returned.
    :param init: what :func:`unilinux.app.init.compile.build_init` returned.
    :param gate: take the programs whose system calls go through the gate.
    :param nameserver: the address of the guest's name server.
    :param memory_mib: the guest's memory as templates see it; None: as the manifest says.
    :raise ManifestError: a template doesn't hold, or two files have one path.
    """
    own = [_entry(app, listed, built, gate, memory_mib) for listed in app.manifest.files]
    general: list[Entry] = [File(INIT_PATH, init.path / "init", 0o755), *_DEVICES, *_ACCOUNTS]
    general += [Directory(mount.target) for mount in app.manifest.run.mount_points]
    if app.manifest.run.network:
        general.append(File("/etc/resolv.conf", f"nameserver {nameserver}\n".encode()))
        general.append(File("/etc/hosts", f"127.0.0.1 localhost {app.manifest.run.hostname}\n".encode()))
    given = {entry.path for entry in own}
    return Tree.of([*own, *(entry for entry in general if entry.path not in given)])


def _built_file(app: App, name: str, built: Path, gate: bool) -> Path:
    if not gate or not is_elf(built / name):
        return built / name
    if not (built / (name + GATE_SUFFIX)).is_file():
        raise BuildError(
            f"{app.manifest.name}: {name} was not linked by $CC under that name, so it has no copy for the gate",
            hint=f"take the file that the linker writes in {app.path}, or use --syscall trap",
        )
    return built / (name + GATE_SUFFIX)


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


def _entry(app: App, listed: Listed, built: Output, gate: bool, memory_mib: int | None) -> Entry:
    if listed.symlink is not None:
        return Symlink(listed.path, listed.symlink)
    if listed.directory:
        return Directory(listed.path, listed.permissions)
    if listed.build is not None:
        return File(listed.path, _built_file(app, listed.build, built.path, gate), listed.permissions)
    if listed.local is not None:
        return File(listed.path, app.folder / listed.local, listed.permissions)
    assert listed.template is not None  # the manifest has checked that one origin is set
    text = render(app.folder / listed.template, template_variables(app, memory_mib))
    return File(listed.path, text.encode(), listed.permissions)
