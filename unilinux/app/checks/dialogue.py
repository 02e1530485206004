# SPDX-License-Identifier: GPL-2.0-only
"""Commands and their replies, in the protocols of Redis and memcached."""

from __future__ import annotations

from typing import Literal

from unilinux.app.checks.fields import Port
from unilinux.core.document import Field, Model, model_validator


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
