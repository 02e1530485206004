# SPDX-License-Identifier: GPL-2.0-only
"""HTTP/1.1: one request, and the response that answers it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from socket import socket
from types import MappingProxyType
from typing import BinaryIO, cast
from urllib.parse import quote

from unilinux.vm.protocols.stream import MOST_BYTES, ProtocolError

# All that may stand in a request's path as it is; other characters are escaped, as browsers do.
_PLAIN = "!#$%&'()*+,/:;=?@[]~-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response.

    ``has_length``: it says how long its body is, so that another response may follow on the connection.
    ``missing`` is the number of bytes that its length promises and that didn't come.
    """

    status: int
    reason: str
    body: bytes
    has_length: bool = True
    missing: int = 0


def request(method: str, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A request without a body. ``path`` may have any characters: those that HTTP doesn't allow are escaped."""
    lines = [f"{method} {quote(path, safe=_PLAIN)} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


def read_response(file: BinaryIO, method: str) -> Response:
    """The response to a request of that method; of its body at most 1 MiB.

    :raise EOFError: the connection ended without one.
    :raise ProtocolError: it isn't HTTP.
    """
    response = HTTPResponse(cast("socket", _Socket(file)), method=method)
    try:
        response.begin()
        has_length = response.length is not None
        body = response.read(MOST_BYTES)
    except HTTPException as error:
        raise ProtocolError(f"not HTTP: {type(error).__name__} {error}") from error
    missing = response.length if response.length and len(body) < MOST_BYTES else 0
    return Response(
        status=response.status, reason=response.reason, body=body, has_length=has_length, missing=missing or 0
    )


class _Socket:
    """What :class:`HTTPResponse` takes for a socket: it reads from a file that outlives the response."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def makefile(self, _mode: str) -> io.BufferedReader:
        return cast("io.BufferedReader", _Shared(self._file))


class _Shared:
    """A file that stays open. A line that breaks off is no line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readline(self, size: int = -1) -> bytes:
        line = self._file.readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise EOFError(f"the connection ended {'within' if line else 'without'} an answer")
        return line

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def read1(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def readinto(self, buffer: bytearray) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...
