# SPDX-License-Identifier: GPL-2.0-only
"""The compiler that build steps call: the host's gcc, with what it has compiled before kept by ccache.

A kernel that is compiled again, after a changed patch or in another checkout, finds most of its objects by the
preprocessed source, the options and the compiler. Kernels of different configurations share few.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from unilinux.core.command import require_tool
from unilinux.core.files import digest_bytes, write_if_changed
from unilinux.core.hosttools import tool_versions

LIMIT = "5G"
"""How large ccache's folder may grow. All kernels of the test suite take some 0.2 GB."""


def wrap_compiler(folder: Path, cache: Path | None, *options: str) -> Path:
    """A folder, to be put first in PATH, whose ``gcc`` is the host's with these options before all others.

    :param cache: where ccache keeps its objects; None: it isn't used, nor where it isn't installed.
    :param options: as they are written in a shell script, so that they may have variables.
    :raise HostError: there is no gcc.
    """
    real = require_tool("gcc")
    ccache = shutil.which("ccache") if cache else None
    lines = ["#!/bin/sh"]
    if ccache:
        # No configuration of the user's. The objects depend on the assembler, too, which ccache doesn't look at.
        made_with = digest_bytes("\n".join(tool_versions("gcc", "as").values()).encode())
        settings = {
            "DIR": str(cache),
            "CONFIGPATH": "/dev/null",
            "TEMPDIR": str(cache / "tmp") if cache else "",  # usual is one below /run, which a sandbox keeps as it is
            "MAXSIZE": LIMIT,
            "COMPILERCHECK": f"string:{made_with}",
        }
        lines += [f"export CCACHE_{name}={shlex.quote(value)}" for name, value in settings.items()]
    start = [shlex.quote(str(program)) for program in (*((ccache,) if ccache else ()), real)]
    lines.append(" ".join(("exec", *start, *options, '"$@"')))
    wrapper = folder / "gcc"
    write_if_changed(wrapper, ("\n".join(lines) + "\n").encode())
    wrapper.chmod(0o755)
    return folder
