# SPDX-License-Identifier: GPL-2.0-only
"""A part of a machine: data, and what the kernel must be able to do and be told for it."""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unilinux.kconfig.wish import Origin, Wish

_PACKAGE_PARENT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a machine; each kind is a subclass whose fields say all that is to be said of it.

    How a hypervisor writes it down isn't its business: see :mod:`unilinux.machine.qemu`.
    """

    name: str

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What the kernel needs, on top of tinyconfig, so that the part works."""
        return ()

    @property
    def cmdline(self) -> tuple[str, ...]:
        """Words of the kernel's command line."""
        return ()

    def describe(self) -> dict[str, Any]:
        """The part as JSON data."""
        return asdict(self)


def wish(symbol: str, value: str = "y", *, why: str) -> Wish:
    """A wish whose origin is the line that calls this function."""
    here = inspect.currentframe()
    caller = here.f_back if here is not None else None
    if caller is None:
        raise RuntimeError("this Python does not tell who calls")
    # Relative, so that it is the same in every checkout.
    file = Path(caller.f_code.co_filename).relative_to(_PACKAGE_PARENT).as_posix()
    return Wish(symbol, value, Origin(file, caller.f_lineno), why)
