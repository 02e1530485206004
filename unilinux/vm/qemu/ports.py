# SPDX-License-Identifier: GPL-2.0-only
"""Ports of this host, where QEMU's user mode network listens on the guest's behalf."""

from __future__ import annotations

import socket

from unilinux.core.errors import HostError
from unilinux.machine.qemu import HOST_ADDRESS


def require_free_port(port: int) -> None:
    """Check that a TCP port can be listened on; 0 always can.

    :raise HostError: another process has it, or it takes more privilege.
    """
    with socket.socket() as probe:
        # As QEMU does: a port whose last connection has just ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST_ADDRESS, port))
            probe.listen()
        except PermissionError as error:
            raise HostError(
                f"port {port} of this host takes root to listen on",
                hint="forward a port from 1024 on, for example --forward 8080:80",
            ) from error
        except OSError as error:
            raise port_taken(port) from error


def port_taken(port: int) -> HostError:
    """The error for a port that another process has."""
    return HostError(
        f"port {port} of this host is in use",
        hint=f"choose another one with --forward, or see who has it: ss -ltnp 'sport = :{port}'",
    )
