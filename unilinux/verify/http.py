# SPDX-License-Identifier: GPL-2.0-only
"""HTTP: one request, its status and its body."""

from __future__ import annotations

import re

from unilinux.app.checks import HttpCheck
from unilinux.verify.attempts import Patience, Server, Verdict, excerpt
from unilinux.verify.connection import connected
from unilinux.vm.protocols.http import read_response, request
from unilinux.vm.protocols.stream import ProtocolError


def ask_http(check: HttpCheck, server: Server, patience: Patience) -> Verdict:
    """Send the request of ``check`` and judge the response.

    :raise OSError: no response came.
    :raise EOFError: the connection ended without one.
    """
    said = f"{check.method} {check.path} on port {check.port}"
    with connected(server, check.port, patience) as stream, stream.makefile("rb") as file:
        stream.sendall(request(check.method, check.path, {"Connection": "close"}))
        try:
            response = read_response(file, check.method)
        except ProtocolError as error:
            return Verdict(ok=False, detail=f"{said}: {error}")
    answer = f"{said}: {response.status} {response.reason}, {len(response.body)} bytes"
    if response.missing:
        return Verdict(ok=False, detail=f"{answer}; the body ends {response.missing} bytes too early")
    if response.status != check.status:
        return Verdict(
            ok=False, detail=f"{answer}; expected status {check.status}; the body is {excerpt(response.body)}"
        )
    if check.body is not None and not re.search(check.body, response.body.decode(errors="replace"), re.MULTILINE):
        return Verdict(
            ok=False, detail=f"{answer}; nothing in it matches {check.body!r}; it is {excerpt(response.body)}"
        )
    return Verdict(ok=True, detail=answer)
