# SPDX-License-Identifier: GPL-2.0-only
"""What the host's tools are, for the keys of the steps that they make bytes for."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from unilinux.core.command import require_tool, run
from unilinux.core.errors import CommandError
from unilinux.core.files import write_atomically

COMPILER = ("gcc", "as", "ld", "ar", "nm", "ranlib", "objcopy", "strip")
"""What compiles and links: gcc calls the others, or build systems do."""

BUILDER = ("make", "sh", "sed", "awk", "grep", "perl")
"""What build systems run, and generate sources with."""

KERNEL = (*COMPILER, *BUILDER, "flex", "bison", "bc", "lz4", "xz", "gzip")
"""What the kernel's build calls."""

UNPACKER = ("dpkg-deb", "tar", "gzip", "bzip2", "xz", "zstd")
"""What unpacks sources."""

_REQUIRED = frozenset({"gcc", "ld", "make"})
_TIMEOUT_S = 10.0
_Stamp = tuple[str, int, int, int]


class HostTools:
    """Versions of tools; what real programs said is remembered in the file ``memory`` until they change."""

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known = {} if memory is None else _remembered(memory)

    def identify(self, *names: str) -> dict[str, str]:
        """Each tool's version in its own words, or where it says none the size and time of its file.

        A name may be a path. A missing tool counts as such: its coming changes what is made.

        :raise HostError: there is no compiler, linker or make.
        """
        stamps = {name: _stamp(name) for name in names}
        unknown = {stamp for stamp in stamps.values() if self._known.get(stamp[0], ((), ""))[0] != stamp}
        said = _ask(unknown) if unknown else {}
        self._remember({stamp: version for stamp, version in said.items() if _is_program(stamp[0])})
        return {name: said[stamp] if stamp in said else self._known[stamp[0]][1] for name, stamp in stamps.items()}

    def _remember(self, new: Mapping[_Stamp, str]) -> None:
        if new and self._memory is not None:
            self._known |= {stamp[0]: (stamp, version) for stamp, version in new.items()}
            write_atomically(self._memory, json.dumps(list(self._known.values())))


def tool_versions(*names: str) -> dict[str, str]:
    """The same, for people: what a measurement was made with.

    :raise HostError: there is no compiler, linker or make.
    """
    return HostTools().identify(*names)


def _stamp(name: str) -> _Stamp:
    path = require_tool(name) if name in _REQUIRED else shutil.which(name)
    if path is None:
        return ("", 0, 0, 0)
    status = Path(path).stat()
    return (os.fspath(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_program(path: str) -> bool:
    """Whether a file answers for itself: a script, or a link to ccache, may hand on to a program that changes alone."""
    if not path or Path(path).resolve().name in ("ccache", "sccache", "distcc"):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _ask(stamps: Collection[_Stamp]) -> dict[_Stamp, str]:
    from concurrent.futures import ThreadPoolExecutor  # seldom needed: most is remembered

    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(stamps, pool.map(_version, stamps), strict=True))


@functools.cache
def _version(stamp: _Stamp) -> str:
    path, size_bytes, modified_ns, _ = stamp
    if not path:
        return "missing"
    try:
        lines = run([path, "--version"], timeout_s=_TIMEOUT_S).output.splitlines()
    except CommandError:
        lines = []
    said = next((line.strip() for line in lines if any(letter.isdigit() for letter in line)), "")
    return said or f"{size_bytes} bytes of {modified_ns}"  # dash, for one, has no --version


def _remembered(memory: Path) -> dict[str, tuple[_Stamp, str]]:
    try:
        return {
            str(path): ((str(path), int(size), int(modified), int(changed)), str(version))
            for (path, size, modified, changed), version in json.loads(memory.read_bytes())
        }
    except (OSError, ValueError, TypeError):  # none yet, or damaged
        return {}
