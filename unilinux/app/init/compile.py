# SPDX-License-Identifier: GPL-2.0-only
"""Compiling init for one application: a few kilobytes, static, on the kernel's own nolibc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import App
from unilinux.app.files import STICKY, TERMINAL
from unilinux.app.identity import Identity
from unilinux.app.render import render
from unilinux.app.run import Run, standard_streams
from unilinux.app.volume import Share, Volume
from unilinux.core.command import run
from unilinux.core.errors import BuildError
from unilinux.core.files import write_atomically
from unilinux.core.hosttools import COMPILER
from unilinux.core.store import Output, Step, Store, Workspace

SIZE_LIMIT_BYTES = 16 * 1024

_HERE = Path(__file__).parent
_TEMPLATE = _HERE / "plan.h.j2"
_PARTS = (_HERE / "list.h", _HERE / "mounts.h")
_NOLIBC = Path("tools/include/nolibc")
_FLAGS = (
    "-Os", "-Wall", "-Wextra", "-Werror", "-static", "-nostdlib", "-fno-pie", "-no-pie", "-s",
    "-fno-ident", "-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables",
    "-ffunction-sections", "-fdata-sections",
    "-Wl,--gc-sections,--build-id=none,-z,noseparate-code,-z,norelro",
)  # fmt: skip


def build_init(
    app: App,
    *,
    kernel: Path,
    headers: Path,
    headers_digest: str,
    store: Store,
    tty: str = "ttyS0",
    gate: bool = False,
    mounted: Sequence[Volume | Share] = (),
    on_disk: bool = False,
    identity: Identity | None = None,
) -> Output:
    """A folder with ``init``, the program that starts this application.

    :param kernel: a kernel source tree; its ``tools/include/nolibc`` is used.
    :param headers: a folder with ``include/``, as the kernel's ``headers_install`` makes it.
    :param headers_digest: the digest of that folder.
    :param tty: the terminal, below ``/dev``, that the application gets.
    :param gate: whether the application's C library makes its system calls through the gate, as init reports it.
    :param mounted: what it mounts of the host's: volumes by the serial numbers of their disks, shares by their tags.
    :param on_disk: whether the root is a read-only disk, above which it makes a writable layer in memory.
    :param identity: who it becomes before it starts the application; None: it stays root.
    :raise ManifestError: a string of the manifest can't be one of C.
    :raise BuildError: the compiler said no, or the program is larger than 16 KiB.
    """
    variables = {**_variables(app, tty=tty, gate=gate, mounted=mounted, identity=identity), "on_disk": on_disk}
    source = _HERE / "init.c"
    nolibc = kernel / _NOLIBC
    if not (nolibc / "nolibc.h").is_file():
        raise BuildError(f"{kernel} is no kernel source tree: it has no {_NOLIBC}/nolibc.h")
    step = Step(
        name="init",
        label=f"compiling init for {app.manifest.name}",
        spec={"plan": variables, "flags": _FLAGS},
        inputs={"headers": headers_digest},
        files={"init.c": source, **{one.name: one for one in _PARTS}, "nolibc": nolibc, "plan.h.j2": _TEMPLATE},
        tools=COMPILER,
    )
    return store.run(step, lambda space: _compile(space, render(_TEMPLATE, variables), source, nolibc, headers))


def init_plan(
    app: App,
    *,
    tty: str = "ttyS0",
    gate: bool = False,
    mounted: Sequence[Volume | Share] = (),
    identity: Identity | None = None,
) -> str:
    """The text of ``plan.h``: the manifest's run table as C.

    :raise ManifestError: a string of the manifest can't be one of C.
    """
    variables = _variables(app, tty=tty, gate=gate, mounted=mounted, identity=identity)
    return render(_TEMPLATE, {**variables, "on_disk": False})


def _variables(
    app: App, *, tty: str, gate: bool, mounted: Sequence[Volume | Share], identity: Identity | None
) -> Mapping[str, Any]:
    """What the template is filled with, as plain JSON data."""
    settings = app.manifest.run
    return {
        "tty": f"/dev/{tty}",
        "gate": gate,
        "hostname": settings.hostname,
        "open_files": settings.open_files,
        "network": settings.network,
        "cwd": settings.cwd,
        "actions": [asdict(action) for action in _actions(settings, f"/dev/{tty}")],
        "argv": settings.argv,
        "env": settings.env,
        "identity": None if identity is None else asdict(identity),
        "volumes": [
            {"name": one.name, "path": one.path, "kind": one.file_system} for one in mounted if isinstance(one, Volume)
        ],
        "shares": [
            {"name": one.name, "path": one.path, "read_only": one.read_only}
            for one in mounted
            if isinstance(one, Share)
        ],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Action:
    """A mount of a ``kind``, else a link to a ``target``, else a ``mode`` for what is there, or for a new folder."""

    path: str
    kind: str = ""
    target: str = ""
    mode: int = 0


def _actions(settings: Run, tty: str) -> tuple[_Action, ...]:
    """The mounts in their order, with what a mounted file system lacks of what the image has at that place."""
    actions: list[_Action] = []
    for mount in settings.mount_points:
        if any(action.kind and mount.target.startswith(f"{action.path.rstrip('/')}/") for action in actions):
            actions.append(_Action(path=mount.target, mode=0o755))
        actions.append(_Action(path=mount.target, kind=mount.kind))
        if mount.kind == "devtmpfs" and mount.target == "/dev":
            actions += (_Action(path=path, mode=TERMINAL) for path in ("/dev/console", tty))
            actions.append(_Action(path="/dev/shm", mode=STICKY))
            actions += (_Action(path=path, target=target) for path, target in standard_streams(settings).items())
    return tuple(actions)


def _compile(space: Workspace, plan: str, source: Path, nolibc: Path, headers: Path) -> None:
    write_atomically(space.scratch / "plan.h", plan)
    target = space.out / "init"
    builtin = run(["gcc", "-print-file-name=include"]).output.strip()
    include: list[str | Path] = ["-nostdinc", "-isystem", nolibc, "-isystem", headers / "include", "-isystem", builtin]
    run(
        [
            "gcc",
            *_FLAGS,
            *include,
            "-include",
            "nolibc.h",
            "-I",
            space.scratch,
            "-I",
            _HERE,
            "-o",
            target,
            source,
            "-lgcc",
        ],
        log=space.log,
    )
    size = target.stat().st_size
    if size > SIZE_LIMIT_BYTES:
        raise BuildError(f"init has {size} bytes, more than the {SIZE_LIMIT_BYTES} it may have")
