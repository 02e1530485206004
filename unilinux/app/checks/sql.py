# SPDX-License-Identifier: GPL-2.0-only
"""Statements of SQL and what a database answers."""

from __future__ import annotations

from typing import Literal

from unilinux.app.checks.fields import Port, regex
from unilinux.core.document import Field, Model, field_validator, model_validator


class SqlStep(Model):
    """One statement, and what it brings. Without `rows` and `error` it has to succeed, and its rows don't matter."""

    statement: str = Field(
        min_length=1, description="the statement, sent as it is", examples=["SELECT name FROM people ORDER BY name"]
    )
    rows: tuple[tuple[str, ...], ...] | None = Field(
        default=None,
        description="all rows in order, each value as the text that the server sends; `NULL` where there is none",
        examples=[[["Ada"], ["Grace"]]],
    )
    error: str | None = Field(
        default=None,
        description="the statement has to fail, with a message in which this regular expression is found",
        examples=["duplicate key"],
    )

    @field_validator("error")
    @classmethod
    def _error_compiles(cls, pattern: str | None) -> str | None:
        return None if pattern is None else regex(pattern)

    @model_validator(mode="after")
    def _ends_in_one_way(self) -> SqlStep:
        if self.rows is not None and self.error is not None:
            raise ValueError("rows and error exclude each other: a statement that fails brings no rows")
        return self


class SqlCheck(Model):
    """A session of a database: statements in order, each committed by itself unless one of them begins a transaction.

    The server may take its time to start: until the session has begun, it is tried again.
    """

    kind: Literal["sql"] = Field(description="this kind of check", examples=["sql"])
    dialect: Literal["postgres", "mysql"] = Field(
        description='what the server speaks: `"postgres"`, or `"mysql"`, which is MariaDB\'s, too',
        examples=["postgres"],
    )
    port: Port = Field(description="one of `run.ports`", examples=[5432])
    user: str = Field(min_length=1, description="who logs in", examples=["postgres"])
    password: str = Field(default="", description="the user's password", examples=["secret"])
    database: str = Field(default="", description="the database; usually the user's default", examples=["shop"])
    steps: tuple[SqlStep, ...] = Field(
        min_length=1,
        description="statements, in order",
        examples=[[{"statement": "SELECT 6 * 7", "rows": [["42"]]}]],
    )
