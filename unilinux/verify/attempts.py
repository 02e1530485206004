# SPDX-License-Identifier: GPL-2.0-only
"""Asking a server that is perhaps not there yet."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from unilinux.vm.outcome import Timeout
from unilinux.vm.vm import Vm

# QEMU's user mode network accepts a connection before the guest does. It drops one
# whose guest doesn't listen yet, and takes up to 6 s to try again when the guest has
# no address yet. So: many short attempts first, then longer ones for slow answers.
_FIRST_PATIENCE_S = 0.5
_LONGEST_PATIENCE_S = 15.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
# A server that crashes closes its connections first, and the machine ends then.
_LAST_PAUSE_S = 0.5

_EXCERPT_BYTES = 200


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a server's answer was worth."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server's first sign of life, and then for each further one (seconds)."""

    first_s: float
    further_s: float


class LostReplyError(Exception):
    """The connection ended when the server may have done what was asked: it isn't asked again.

    The message says what was asked and what came.
    """


class Server(Protocol):
    """Where a server is reached: a machine (:class:`Vm`), or what stands for one."""

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        """A TCP connection to a port of the guest; raises OSError when nobody took it in time."""

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        """For each forwarded port of the guest the address and the port at which the host reaches it."""

    def has_accepted(self, port: int) -> bool:
        """Whether the guest itself has accepted a connection to that port."""


Attempt = Callable[[Server, Patience], Verdict]
"""Ask the server in a machine once.

It raises OSError or EOFError when there was no answer, which is worth another attempt,
and LostReplyError when another one might do something twice.
"""


def ask(vm: Vm, guest_port: int, attempt: Attempt, *, timeout_s: float) -> Verdict:
    """Try until there is an answer, the time is up, or the machine has ended."""
    deadline = time.monotonic() + timeout_s
    number, patience_s, pause_s = 0, _FIRST_PATIENCE_S, _FIRST_PAUSE_S
    while True:
        number += 1
        left = max(0.01, deadline - time.monotonic())
        try:
            return attempt(vm, Patience(min(patience_s, left), left))
        except LostReplyError as error:
            end = vm.wait(timeout_s=_LAST_PAUSE_S)
            return Verdict(ok=False, detail=str(error) if isinstance(end, Timeout) else f"{error}; {end.explain()}")
        except (OSError, EOFError) as error:
            complaint = str(error) or type(error).__name__
        left = deadline - time.monotonic()
        # The pause between two attempts ends early when the machine does.
        if not isinstance(end := vm.wait(timeout_s=max(0.0, min(pause_s, left))), Timeout):
            return Verdict(ok=False, detail=f"port {guest_port}: {end.explain()}")
        if left <= 0:
            detail = f"port {guest_port}: no answer within {timeout_s:g} s, in {number} attempts ({complaint})"
            return Verdict(ok=False, detail=detail)
        patience_s, pause_s = min(2 * patience_s, _LONGEST_PATIENCE_S), min(2 * pause_s, _LONGEST_PAUSE_S)


def excerpt(data: bytes) -> str:
    """The first bytes of an answer, for people."""
    shown = ascii(data[:_EXCERPT_BYTES].decode("latin-1"))
    more = len(data) - _EXCERPT_BYTES
    return f"{shown} and {more} more bytes" if more > 0 else shown
