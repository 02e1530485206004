# SPDX-License-Identifier: GPL-2.0-only
"""TLS over a connection."""

from __future__ import annotations

import socket
import ssl

from unilinux.vm.protocols.stream import ProtocolError

SERVER_NAME = "localhost"


def secured(stream: socket.socket) -> ssl.SSLSocket:
    """Begin TLS over a connected stream, as a client that asks for ``localhost`` and trusts any certificate.

    Whether a certificate holds depends on whom a user trusts; that of a machine under test is mostly its own.

    :raise OSError: the connection broke or took too long.
    :raise EOFError: it was closed.
    :raise ProtocolError: the server speaks no TLS, or refuses ours; the message is its own.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(stream, server_hostname=SERVER_NAME)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise EOFError("the connection was closed before TLS had begun") from error
    except ssl.SSLError as error:
        raise ProtocolError(f"no TLS: {error.reason or error}") from error
