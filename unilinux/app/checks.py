# SPDX-License-Identifier: GPL-2.0-only
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


class TcpCheck(Model):
    """A connection to the port is accepted."""

    kind: Literal["tcp"] = Field(description="this kind of check", examples=["tcp"])
    port: Port = Field(description="one of `run.ports`", examples=[80])


class HttpCheck(Model):
    """A request gets this status and a body in which ``body`` (a regular expression) is found."""

    kind: Literal["http"] = Field(description="this kind of check", examples=["http"])
    port: Port = Field(description="one of `run.ports`", examples=[80])
    path: str = Field(
        default="/",
        description="the path that is asked for, with `%XX` for other characters than printable ASCII",
        examples=["/index.html"],
    )
    method: Literal["GET", "HEAD"] = Field(default="GET", description="the method of the request", examples=["HEAD"])
    status: int = Field(default=200, ge=100, le=599, description="the status of the answer", examples=[404])
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

    @field_validator("body")
    @classmethod
    def _body_compiles(cls, body: str | None) -> str | None:
        return None if body is None else _regex(body)


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
