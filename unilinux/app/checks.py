# SPDX-License-Identifier: GPL-2.0-only
"""How an application is proved to work: the ``[[verify]]`` tables of a manifest, by kind."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import quote

from unilinux.core.document import BeforeValidator, Field, Model, ValidationInfo, field_validator, model_validator

# What HTTP calls a token.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
# They frame the request, which is ours: it has a connection of its own.
_OUR_HEADERS = frozenset({"connection", "content-length", "transfer-encoding"})
_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_STATUSES_WITHOUT_BODY = frozenset({204, 304})


def _tcp_port(port: object) -> object:
    if isinstance(port, str):
        message = f"{port!r} is no number of a TCP port; UDP and other protocols can't be forwarded yet"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports these
    return port


Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_tcp_port)]
"""The number of a TCP port."""


def _regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


def _require_header_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice: capital letters make no difference")
        seen.add(name.lower())


def _bytes(text: str | None, digits: str | None) -> bytes:
    return (text or "").encode() or bytes.fromhex(digits or "")


class ConsoleCheck(Model):
    """The console shows a line that ``pattern`` (a regular expression) finds.

    A line counts when it is whole. A prompt, which has no end of line, counts when the guest waits for input.
    """

    kind: Literal["console"] = Field(description="this kind of check", examples=["console"])
    pattern: str = Field(
        description="a regular expression that is found in a whole line of the console", examples=["^server: ready"]
    )
    timeout_s: float = Field(default=30.0, gt=0, description="how many seconds the line may take", examples=[10.0])

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str) -> str:
        return _regex(pattern)


class ExitCheck(Model):
    """The application ends by itself with this status."""

    kind: Literal["exit"] = Field(description="this kind of check", examples=["exit"])
    status: int = Field(default=0, ge=0, le=255, description="the exit status", examples=[0])


class TcpStep(Model):
    """One step of a conversation: what is sent, and what comes then, either or both.
    What comes behind what a step expects is left for the next step; after the last step nobody looks at it.
    """

    send: str | None = Field(
        default=None, min_length=1, description="text that is sent, in UTF-8", examples=["version\r\n"]
    )
    send_hex: str | None = Field(
        default=None,
        description="bytes that are sent, each as two hexadecimal digits, with spaces or without",
        examples=["80 0a 00 00"],
    )
    expect: str | None = Field(
        default=None, min_length=1, description="text that comes next, exactly, in UTF-8", examples=["VERSION "]
    )
    expect_hex: str | None = Field(
        default=None, description="bytes that come next, exactly, written like those of `send_hex`", examples=["81 0a"]
    )
    expect_line: str | None = Field(
        default=None, description="a regular expression that is found in the next line", examples=["^220 .* ESMTP"]
    )

    @field_validator("send_hex", "expect_hex")
    @classmethod
    def _is_hexadecimal(cls, digits: str | None) -> str | None:
        try:
            is_empty = digits is not None and not bytes.fromhex(digits)
        except ValueError:
            raise ValueError(f"{digits!r} must be two hexadecimal digits for each byte, as in '00 ff'") from None
        if is_empty:
            raise ValueError("there are no bytes in it")
        return digits

    @field_validator("expect_line")
    @classmethod
    def _line_compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else _regex(pattern)

    @model_validator(mode="after")
    def _keys_agree(self) -> TcpStep:
        given = tuple(key for key in type(self).model_fields if getattr(self, key) is not None)
        if not given:
            raise ValueError("a step needs something to send or to expect")
        for verb in ("send", "expect"):
            keys = [key for key in given if key.startswith(verb)]
            if len(keys) > 1:
                raise ValueError(f"{' and '.join(keys)} exclude each other: write two steps")
        return self

    @property
    def request(self) -> bytes:
        """The bytes that are sent, perhaps none."""
        return _bytes(self.send, self.send_hex)

    @property
    def reply(self) -> bytes:
        """The bytes that are expected; none where a line is expected, or nothing."""
        return _bytes(self.expect, self.expect_hex)

    @property
    def expects(self) -> bool:
        """Whether anything is expected."""
        return bool(self.reply) or self.expect_line is not None


class TcpCheck(Model):
    """A connection to the port is accepted, and the conversation of ``steps`` takes place over it, if there are any."""

    kind: Literal["tcp"] = Field(description="this kind of check", examples=["tcp"])
    port: Port = Field(description="one of `run.ports`", examples=[80])
    steps: tuple[TcpStep, ...] = Field(
        default=(),
        description="what is said over one connection, in order; the last step must expect something",
        examples=[[{"expect_line": "^220 "}, {"send": "QUIT\r\n", "expect": "221 "}]],
    )

    @field_validator("steps")
    @classmethod
    def _last_step_expects(cls, steps: tuple[TcpStep, ...]) -> tuple[TcpStep, ...]:
        if steps and not steps[-1].expects:
            raise ValueError("the last step must expect something: nobody would see whether what it sends arrives")
        return steps


class HttpCheck(Model):
    """A request gets this status, and headers and a body in which these regular expressions are found."""

    kind: Literal["http"] = Field(description="this kind of check", examples=["http"])
    port: Port = Field(description="one of `run.ports`", examples=[80])
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
                _regex(pattern)
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
        return _regex(body)


class _Dialogue(Model):
    port: Port = Field(description="one of `run.ports`", examples=[80])

    @model_validator(mode="after")
    def _replies_match(self) -> _Dialogue:
        commands, replies = len(getattr(self, "commands", ())), len(getattr(self, "replies", ()))
        if commands != replies:
            raise ValueError(f"there are {commands} commands and {replies} replies: each command needs one reply")
        return self


class RespCheck(_Dialogue):
    """Redis commands, each as words, and the replies they get, as text without RESP's framing: ``PONG``, ``1``."""

    kind: Literal["resp"] = Field(description="this kind of check", examples=["resp"])
    commands: tuple[tuple[str, ...], ...] = Field(
        min_length=1, description="commands, each as a list of words", examples=[[["PING"], ["SET", "key", "value"]]]
    )
    replies: tuple[str, ...] = Field(description="the reply to each, as text", examples=[["PONG", "OK"]])


class MemcachedCheck(_Dialogue):
    """Lines of memcached's text protocol and their replies, joined by ``\\r\\n`` where there are several lines."""

    kind: Literal["memcached"] = Field(description="this kind of check", examples=["memcached"])
    commands: tuple[str, ...] = Field(
        min_length=1,
        description="commands, each as the text that is sent, without the last line's end",
        examples=[["get greeting"]],
    )
    replies: tuple[str, ...] = Field(description="the reply to each", examples=[["END"]])


Check = Annotated[
    ConsoleCheck | ExitCheck | TcpCheck | HttpCheck | RespCheck | MemcachedCheck, Field(discriminator="kind")
]


def port_of(check: Check) -> int | None:
    """The port that a check talks to, if it talks to one."""
    return None if isinstance(check, ConsoleCheck | ExitCheck) else check.port
