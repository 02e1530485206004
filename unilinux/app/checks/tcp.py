# SPDX-License-Identifier: GPL-2.0-only
"""A conversation over a TCP connection."""

from __future__ import annotations

from typing import Literal

from unilinux.app.checks.fields import Port, Tls, regex
from unilinux.core.document import Field, Model, field_validator, model_validator


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
        return None if pattern is None else regex(pattern)

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
    tls: Tls = False
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


def _bytes(text: str | None, digits: str | None) -> bytes:
    return (text or "").encode() or bytes.fromhex(digits or "")
