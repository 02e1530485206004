# SPDX-License-Identifier: GPL-2.0-only
"""Which QEMU is installed."""

from __future__ import annotations

import re

from unilinux.arch.architecture import X86_64
from unilinux.core import command
from unilinux.core.errors import HostError

PROGRAM = X86_64.emulator


def version_line() -> str:
    """QEMU by its own words: another one is another machine, with other counts.

    :raise HostError: it isn't installed.
    """
    return command.run([PROGRAM, "--version"]).output.splitlines()[0]


def qemu_version() -> tuple[int, int]:
    """Major and minor version of the installed QEMU.

    :raise HostError: it isn't installed, or doesn't say its version.
    """
    line = version_line()
    found = re.search(r"version (\d+)\.(\d+)", line)
    if found is None:
        raise HostError(f"{PROGRAM} --version says no version: {line[:80]!r}")
    return int(found[1]), int(found[2])
