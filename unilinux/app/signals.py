# SPDX-License-Identifier: GPL-2.0-only
"""Signals by their names, with the numbers of Linux on x86-64, whatever this host is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from unilinux.core.suggest import unknown

# From include/uapi/asm-generic/signal.h.
_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        f"SIG{name}": number
        for number, name in enumerate(
            (
                "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE",
                "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
                "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
                "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
            ),
            start=1,
        )
    }
)  # fmt: skip
# What glibc leaves to programs of those from 32 on; its own threads need the first two.
_REAL_TIME = range(34, 65)


def signal_number(name: str) -> int:
    """The number of a signal.

    >>> signal_number("SIGTERM"), signal_number("SIGRTMIN+3"), signal_number("SIGRTMAX")
    (15, 37, 64)

    :raise ValueError: there is none of that name.
    """
    if name in _NUMBERS:
        return _NUMBERS[name]
    if found := re.fullmatch(r"SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?", name):
        end, sign, offset = found.groups()
        number = (_REAL_TIME[0] if end == "MIN" else _REAL_TIME[-1]) + int(f"{sign or '+'}{offset or 0}")
        if number in _REAL_TIME:
            return number
        raise ValueError(f"{name} is no signal: SIGRTMIN is {_REAL_TIME[0]}, SIGRTMAX is {_REAL_TIME[-1]}")
    raise ValueError(unknown("signal", name, [*_NUMBERS, "SIGRTMIN+1"]))
