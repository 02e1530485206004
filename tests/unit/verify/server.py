# SPDX-License-Identifier: GPL-2.0-only
"""A server with a script, on a free port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Script = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class At:
    """Reaches a server of the test at this port of the host, whichever port is asked for."""

    port: int
    accepts: bool = True

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        return dict.fromkeys((80, 443), ("127.0.0.1", self.port))

    def has_accepted(self, port: int) -> bool:
        return self.accepts


@contextmanager
def serving(*scripts: Script) -> Iterator[int]:
    """Each connection gets its script, the last one all further ones; then it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server, scripts), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def reply(data: bytes) -> Script:
    """Answer the first bytes that come."""

    def script(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(data)

    return script


def hang_up(connection: socket.socket) -> None:
    """Say nothing."""


def _serve(server: socket.socket, scripts: Sequence[Script]) -> None:
    left = list(scripts)
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        script = left.pop(0) if len(left) > 1 else left[0]
        with connection:
            try:
                script(connection)
            except OSError:
                pass
