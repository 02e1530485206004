# SPDX-License-Identifier: GPL-2.0-only
"""What is seen without a connection: a line of the console, the end of the application."""

from __future__ import annotations

from typing import Literal

from unilinux.app.checks.fields import regex
from unilinux.core.document import Field, Model, field_validator


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
        return regex(pattern)


class ExitCheck(Model):
    """The application ends by itself with this status."""

    kind: Literal["exit"] = Field(description="this kind of check", examples=["exit"])
    status: int = Field(default=0, ge=0, le=255, description="the exit status", examples=[0])
