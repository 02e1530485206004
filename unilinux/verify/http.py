"""HTTP: one request, its status and its body."""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPException, RemoteDisconnected

from unilinux.app.checks import HttpCheck
from unilinux.verify.attempts import Patience, Server, Verdict, excerpt

_MOST_BYTES = 1 << 20


def ask_http(check: HttpCheck, server: Server, patience: Patience) -> Verdict:
    """Send the request of ``check`` and judge the response.

    :raise OSError: no response came.
    """
    connection = HTTPConnection("localhost")
    connection.auto_open = 0  # only to the guest
    connection.sock = server.connect(check.port, patience.first_s)
    try:
        connection.request(check.method, check.path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read(_MOST_BYTES)
    except RemoteDisconnected:  # an OSError as well as an HTTPException
        raise
    except HTTPException as error:
        return Verdict(ok=False, detail=f"{_request(check)}: not HTTP: {type(error).__name__} {error}")
    finally:
        connection.close()
    answer = f"{_request(check)}: {response.status} {response.reason}, {len(body)} bytes"
    if response.length and len(body) < _MOST_BYTES:
        return Verdict(ok=False, detail=f"{answer}; the body ends {response.length} bytes too early")
    if response.status != check.status:
        return Verdict(ok=False, detail=f"{answer}; expected status {check.status}; the body is {excerpt(body)}")
    if check.body is not None and not re.search(check.body, body.decode(errors="replace"), re.MULTILINE):
        return Verdict(ok=False, detail=f"{answer}; nothing in it matches {check.body!r}; it is {excerpt(body)}")
    return Verdict(ok=True, detail=answer)


def _request(check: HttpCheck) -> str:
    return f"{check.method} {check.path} on port {check.port}"
