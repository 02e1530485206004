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
# Such a request says how long its body is, also when it has none.
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response.

    ``has_length``: it says how long its body is, so that another response may follow on the connection.
    ``missing`` is the number of bytes that its length promises and that didn't come. ``headers`` are
    names and values in the order in which they came.
    """

    status: int
    reason: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    has_length: bool = True
    missing: int = 0


def request(
    method: str, path: str, headers: Mapping[str, str] = MappingProxyType({}), body: bytes | None = None
) -> bytes:
    """A request. ``path`` may have any characters: those that HTTP doesn't allow are escaped.

    The host is ``localhost`` unless ``headers`` name another. The length of the body is said here.
    """
    lines = [f"{method} {quote(path, safe=_PLAIN)} HTTP/1.1"]
    if not any(name.lower() == "host" for name in headers):
        lines.append("Host: localhost")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None or method in _METHODS_WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii") + (body or b"")


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
        status=response.status,
        reason=response.reason,
        body=body,
        headers=tuple(response.getheaders()),
        has_length=has_length,
        missing=missing or 0,
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
