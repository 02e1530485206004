# SPDX-License-Identifier: GPL-2.0-only
"""What only QEMU's monitor for people (HMP) tells, read out of its text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unilinux.vm.engine import Monitor

# A line of "info usernet": state, file descriptor, source address and port, those of the guest.
_TCP = re.compile(r"TCP\[(?P<state>\w+)\]\s+\d+\s+\S+\s+(?P<source>\d+)\s+\S+\s+(?P<guest>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserNetwork:
    """``forwards``: the host's port for each forwarded port of the guest. ``accepted``: ports with a connection."""

    forwards: dict[int, int]
    accepted: frozenset[int]


def user_network(monitor: Monitor) -> UserNetwork:
    """The connections of QEMU's user mode network.

    :raise VmError: QEMU is gone.
    """
    lines = list(_TCP.finditer(_ask(monitor, "info usernet")))
    return UserNetwork(
        forwards={int(line["guest"]): int(line["source"]) for line in lines if line["state"] == "HOST_FORWARD"},
        accepted=frozenset(int(line["guest"]) for line in lines if line["state"] == "ESTABLISHED"),
    )


def is_halted(monitor: Monitor) -> bool:
    """Whether the first CPU waits for an interrupt.

    :raise VmError: QEMU is gone.
    """
    return "HLT=1" in _ask(monitor, "info registers")


def _ask(monitor: Monitor, command: str) -> str:
    return str(monitor.execute("human-monitor-command", {"command-line": command}))
