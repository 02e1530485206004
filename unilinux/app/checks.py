"""How an application is proved to work: the ``[[verify]]`` tables of a manifest, by kind."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import quote

from unilinux.core.document import BeforeValidator, Field, Model, field_validator, model_validator


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


class ConsoleCheck(Model):
    """The console shows a line that ``pattern`` (a regular expression) finds.

    A line counts when it is whole. A prompt, which has no end of line, counts when the guest waits for input.
    """

    kind: Literal["console"]
    pattern: str
    timeout_s: float = Field(default=30.0, gt=0)

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str) -> str:
        return _regex(pattern)


class ExitCheck(Model):
    """The application ends by itself with this status."""

    kind: Literal["exit"]
    status: int = Field(default=0, ge=0, le=255)


class TcpCheck(Model):
    """A connection to the port is accepted."""

    kind: Literal["tcp"]
    port: Port


class HttpCheck(Model):
    """A request gets this status and a body in which ``body`` (a regular expression) is found."""

    kind: Literal["http"]
    port: Port
    path: str = "/"
    method: Literal["GET", "HEAD"] = "GET"
    status: int = Field(default=200, ge=100, le=599)
    body: str | None = None

    @field_validator("path")
    @classmethod
    def _path_can_be_sent(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError(f"{path!r} must begin with a '/'")
        quoted = "".join(char if "!" <= char <= "~" else quote(char) for char in path)
        if quoted != path:
            raise ValueError(f"{path!r} has characters that a request can't have; write {quoted!r}")
        return path

    @field_validator("body")
    @classmethod
    def _body_compiles(cls, body: str | None) -> str | None:
        return None if body is None else _regex(body)


class _Dialogue(Model):
    port: Port

    @model_validator(mode="after")
    def _replies_match(self) -> _Dialogue:
        commands, replies = len(getattr(self, "commands", ())), len(getattr(self, "replies", ()))
        if commands != replies:
            raise ValueError(f"there are {commands} commands and {replies} replies: each command needs one reply")
        return self


class RespCheck(_Dialogue):
    """Redis commands, each as words, and the replies they get, as text without RESP's framing: ``PONG``, ``1``."""

    kind: Literal["resp"]
    commands: tuple[tuple[str, ...], ...] = Field(min_length=1)
    replies: tuple[str, ...]


class MemcachedCheck(_Dialogue):
    """Lines of memcached's text protocol and their replies, joined by ``\\r\\n`` where there are several lines."""

    kind: Literal["memcached"]
    commands: tuple[str, ...] = Field(min_length=1)
    replies: tuple[str, ...]


Check = Annotated[
    ConsoleCheck | ExitCheck | TcpCheck | HttpCheck | RespCheck | MemcachedCheck, Field(discriminator="kind")
]


def port_of(check: Check) -> int | None:
    """The port that a check talks to, if it talks to one."""
    return None if isinstance(check, ConsoleCheck | ExitCheck) else check.port
