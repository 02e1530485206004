# SPDX-License-Identifier: GPL-2.0-only
"""TCP: a connection that the guest itself accepts."""

from __future__ import annotations

from unilinux.app.checks import TcpCheck
from unilinux.verify.attempts import Patience, Server, Verdict
from unilinux.verify.connection import connected


def ask_tcp(check: TcpCheck, server: Server, patience: Patience) -> Verdict:
    """Connect, and see the guest accept that.

    :raise OSError: nobody accepted the connection, or it was reset.
    :raise EOFError: it was closed without a word.
    """
    with connected(server, check.port, patience):
        return Verdict(ok=True, detail=f"port {check.port} accepts connections")
