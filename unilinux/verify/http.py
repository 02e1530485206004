# SPDX-License-Identifier: GPL-2.0-only
"""HTTP: one request, the status of its answer, its headers and its body."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from unilinux.app.checks.http import HttpCheck
from unilinux.verify.attempts import LostReplyError, Patience, Server, Verdict, excerpt
from unilinux.verify.connection import connected
from unilinux.vm.protocols.http import Response, read_response, request
from unilinux.vm.protocols.stream import ProtocolError

# Requests that change nothing can be made twice.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def ask_http(check: HttpCheck, server: Server, patience: Patience) -> Verdict:
    """Send the request of ``check`` and judge the response.

    :raise OSError: no response came.
    :raise EOFError: the connection ended without one.
    :raise LostReplyError: the same, for a request that may have changed something.
    """
    said = f"{check.method} {check.path} on port {check.port}{' over TLS' if check.tls else ''}"
    body = None if check.request_body is None else check.request_body.encode()
    data = request(check.method, check.path, {**check.request_headers, "Connection": "close"}, body)
    try:
        response = _answer(check, data, said, server, patience)
    except ProtocolError as error:
        return Verdict(ok=False, detail=f"{said}: {error}")
    answer = f"{said}: {response.status} {response.reason}, {len(response.body)} bytes"
    problem = next(_problems(check, response), None)
    return Verdict(ok=problem is None, detail=answer if problem is None else f"{answer}; {problem}")


def _answer(check: HttpCheck, data: bytes, said: str, server: Server, patience: Patience) -> Response:
    with connected(server, check.port, patience, tls=check.tls) as stream, stream.makefile("rb") as file:
        try:
            # A server may refuse a request before it has read all of it; its answer tells why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stream.sendall(data)
            return read_response(file, check.method)
        except (OSError, EOFError) as error:
            if check.method in _SAFE:
                raise
            raise LostReplyError(f"{said}: no answer ({str(error) or type(error).__name__})") from error


def _problems(check: HttpCheck, response: Response) -> Iterator[str]:
    """What is wrong with a response, the most telling first."""
    if response.missing:
        yield f"the body ends {response.missing} bytes too early"
    if response.status != check.status:
        yield f"expected status {check.status}; the body is {excerpt(response.body)}"
    for name, pattern in check.headers.items():
        values = [value for other, value in response.headers if other.lower() == name.lower()]
        if not values:
            yield f"it has no header {name}, but {', '.join(other for other, _ in response.headers) or 'none at all'}"
        elif not any(re.search(pattern, value) for value in values):
            yield f"nothing in its header {name} matches {pattern!r}; it is {', '.join(map(ascii, values))}"
    if check.body is not None and not re.search(check.body, response.body.decode(errors="replace"), re.MULTILINE):
        yield f"nothing in it matches {check.body!r}; it is {excerpt(response.body)}"
