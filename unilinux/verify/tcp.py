"""TCP: a connection that the guest itself accepts."""

from __future__ import annotations

import socket
import time

from unilinux.app.checks import TcpCheck
from unilinux.verify.attempts import Patience, Server, Verdict

_LOOK_AGAIN_S = 0.02


def ask_tcp(check: TcpCheck, server: Server, patience: Patience) -> Verdict:
    """Connect, and see the guest accept that.

    :raise OSError: nobody accepted the connection, or it was reset.
    :raise EOFError: it was closed without a word.
    """
    deadline = time.monotonic() + patience.first_s
    with server.connect(check.port, patience.first_s) as stream:
        stream.settimeout(_LOOK_AGAIN_S)
        while time.monotonic() < deadline:
            if server.has_accepted(check.port) or _talks(stream):
                return Verdict(ok=True, detail=f"port {check.port} accepts connections")
    raise TimeoutError("the guest did not accept the connection")


def _talks(stream: socket.socket) -> bool:
    try:
        if stream.recv(1):
            return True
    except TimeoutError:
        return False
    raise EOFError("the connection was closed")
