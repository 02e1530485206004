# SPDX-License-Identifier: GPL-2.0-only
"""A request of HTTP and its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import quote

from unilinux.app.checks.fields import Port, Tls, regex
from unilinux.core.document import Field, Model, ValidationInfo, field_validator

# What HTTP calls a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
# They frame the request, which is ours: it has a connection of its own.
_OUR_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_STATUSES_WITHOUT_BODY = frozenset({204, 304})


class HttpCheck(Model):
    """A request gets this status, and headers and a body in which these regular expressions are found."""

    kind: Literal["http"] = Field(description="this kind of check", examples=["http"])
    port: Port = Field(description="one of `run.ports`", examples=[80])
    tls: Tls = False
    path: str = Field(
        default="/",
        description="the path that is asked for, with `%XX` for other characters than printable ASCII",
        examples=["/index.html"],
    )
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] = Field(
        default="GET", description="the method of the request", examples=["POST"]
    )
    request_headers: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "headers of the request. `Host` is `localhost` unless it is given here; `Content-Length`, "
            "`Transfer-Encoding` and `Connection` can't be given"
        ),
        examples=[{"Host": "example.org", "Content-Type": "application/json"}],
    )
    request_body: str | None = Field(
        default=None,
        description="the body of the request, sent in UTF-8; not for GET and HEAD",
        examples=['{"name": "Ada"}'],
    )
    status: int = Field(default=200, ge=200, le=599, description="the status of the answer", examples=[404])
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="headers of the answer: for each a regular expression that is found in its value",
        examples=[{"Content-Type": "^text/html", "Allow": "GET"}],
    )
    body: str | None = Field(
        default=None, description="a regular expression that is found in the answer's body", examples=["Welcome"]
    )

    @field_validator("path")
    @classmethod
    def _path_can_be_sent(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} must begin with a '/'")
        quoted = "".join(char if "!" <= char <= "~" else quote(char) for char in path)
        if quoted != path:
            raise ValueError(f"{path!r} has characters that a request can't have; write {quoted!r}")
        return path

    @field_validator("request_headers")
    @classmethod
    def _headers_can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        _require_header_names(headers)
        for name, value in headers.items():
            if name.lower() in _OUR_HEADERS:
                raise ValueError(f"{name} can't be given: it is set to fit the request")
            if not _HEADER_VALUE.fullmatch(value):
                raise ValueError(f"{name}: {value!r} has other characters than a header's: printable ASCII and tabs")
        return headers

    @field_validator("request_body")
    @classmethod
    def _method_has_a_body(cls, body: str | None, info: ValidationInfo) -> str | None:
        method = info.data.get("method")
        if body is not None and method in _WITHOUT_BODY:
            raise ValueError(f'a {method} request has no body: choose another method, such as method = "POST"')
        return body

    @field_validator("headers")
    @classmethod
    def _headers_can_come(cls, headers: dict[str, str]) -> dict[str, str]:
        _require_header_names(headers)
        for name, pattern in headers.items():
            try:
                regex(pattern)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return headers

    @field_validator("body")
    @classmethod
    def _body_can_come(cls, body: str | None, info: ValidationInfo) -> str | None:
        if body is None:
            return None
        if info.data.get("method") == "HEAD":
            raise ValueError("the answer to a HEAD request has no body")
        if (status := info.data.get("status")) in _STATUSES_WITHOUT_BODY:
            raise ValueError(f"an answer of status {status} has no body")
        return regex(body)


def _require_header_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice: capital letters make no difference")
        seen.add(name.lower())
