# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's own sandbox: a seccomp filter, so that a guest that broke out of QEMU could start no program."""

from __future__ import annotations

import re

from unilinux.core import command
from unilinux.core.errors import CommandError
from unilinux.vm.finding import Finding
from unilinux.vm.qemu.version import PROGRAM

ARGUMENTS = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")

# A QEMU without a machine, which its monitor is told to quit: 0.1 s.
_EMPTY = ("-M", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S", "-monitor", "stdio")
_TIMEOUT_S = 20.0
_REFUSAL = re.compile(r"sandbox|seccomp", re.IGNORECASE)


def find_sandbox() -> Finding:
    """Whether this QEMU has a sandbox, and this host lets it have one: some containers don't.

    :raise HostError: QEMU isn't installed.
    """
    try:
        command.run([PROGRAM, *ARGUMENTS, *_EMPTY], input=b"quit\n", timeout_s=_TIMEOUT_S)
    except CommandError as error:
        said = next((line for line in error.tail if _REFUSAL.search(line)), None)
        if said is not None:
            return Finding(works=False, reason=said)
        return Finding(works=False, reason=error.message, certain=False)
    return Finding(works=True, reason="QEMU runs in its sandbox")
