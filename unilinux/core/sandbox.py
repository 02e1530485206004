# SPDX-License-Identifier: GPL-2.0-only
"""Commands that can write to their own folders and nowhere else, by bubblewrap.

Paths are the same inside as outside, so that no byte of what is made depends on it. Where bubblewrap isn't
installed, or the host forbids what it needs (as many containers do), commands run as they are.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.store import Workspace

_ALWAYS = (
    "--die-with-parent",
    "--unshare-net",
    "--unshare-ipc",
    "--ro-bind", "/", "/",
    "--dev", "/dev",
)  # fmt: skip
# With processes of its own, nothing that a command starts outlives it. Containers may forbid a new /proc.
_WAYS = (("--unshare-pid", "--proc", "/proc"), ())
_SHARED = (Path("/tmp"), Path("/var/tmp"))
_PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a command sees of the host: all of it, to be read; no network; devices and ``/tmp`` of its own.

    ``writable`` are the folders that it may write to, which exist. ``temporary`` is what it finds as ``/tmp``
    and as ``$TMPDIR``. ``visible`` are folders that it reads from: if one lies in ``/tmp``, the
    host's ``/tmp`` stays to be seen.
    """

    writable: tuple[Path, ...]
    temporary: Path
    visible: tuple[Path, ...] = ()

    def wrap(self, argv: Sequence[str], cwd: Path | None) -> list[str]:
        """The words that run this command in the sandbox; the command itself where that doesn't work."""
        base = bubblewrap()
        if base is None:
            return list(argv)
        words = list(base)
        for shared in _SHARED:
            if shared.is_dir() and not any(path.is_relative_to(shared) for path in (*self.visible, *self.writable)):
                words += ["--bind", os.fspath(self.temporary), os.fspath(shared)]
        for folder in self.visible:
            if folder.is_relative_to("/dev"):
                words += ["--ro-bind", os.fspath(folder), os.fspath(folder)]
        for folder in (*self.writable, self.temporary):
            words += ["--bind", os.fspath(folder), os.fspath(folder)]
        words += ["--setenv", "TMPDIR", os.fspath(self.temporary)]
        return [*words, "--chdir", os.fspath(cwd or Path.cwd()), "--", *argv]


def sandbox_of(space: Workspace, *writable: Path) -> Sandbox:
    """The sandbox for a step's commands: they may write to the step's folders, the compilers' cache and ``writable``.

    The user is told, once, when sandboxes don't work here.
    """
    if bubblewrap() is None and not _TOLD.is_set():
        _TOLD.set()
        space.step.note(
            "build steps are not sandboxed here, so they could write anywhere: "
            + ("the host forbids it" if _program() else "bubblewrap is not installed")
        )
    temporary = space.scratch / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    own = [space.out, space.scratch]
    if space.compiler_cache is not None:
        space.compiler_cache.mkdir(parents=True, exist_ok=True)
        own.append(space.compiler_cache)
    return Sandbox(writable=(*own, *writable), temporary=temporary, visible=space.visible)


_TOLD = threading.Event()


def _program() -> str | None:
    return shutil.which("bwrap")


@functools.cache
def bubblewrap() -> tuple[str, ...] | None:
    """The program with its options if it works on this host; found out once per process, by trying."""
    program = _program()
    if program is None:
        return None
    for way in _WAYS:
        base = (program, *_ALWAYS, *way)
        try:
            tried = subprocess.run([*base, "--", "true"], capture_output=True, check=False, timeout=_PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
        if tried.returncode == 0:
            return base
    return None
