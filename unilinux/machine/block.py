"""A block: one part of a machine, with all that QEMU and the kernel must know of it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

from unilinux.kconfig.wish import Origin, Wish

_PACKAGE_PARENT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One part of a machine.

    ``qemu`` are arguments of QEMU, ``wishes`` what the kernel needs so that the
    part works on top of tinyconfig, ``cmdline`` words of the kernel's command line.
    """

    name: str
    qemu: tuple[str, ...] = ()
    wishes: tuple[Wish, ...] = ()
    cmdline: tuple[str, ...] = ()


def wish(symbol: str, value: str = "y", *, why: str) -> Wish:
    """A wish whose origin is the line that calls this function."""
    here = inspect.currentframe()
    caller = here.f_back if here is not None else None
    if caller is None:
        raise RuntimeError("this Python does not tell who calls")
    # Relative, so that it is the same in every checkout.
    file = Path(caller.f_code.co_filename).relative_to(_PACKAGE_PARENT).as_posix()
    return Wish(symbol, value, Origin(file, caller.f_lineno), why)
