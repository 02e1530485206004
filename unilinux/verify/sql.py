# SPDX-License-Identifier: GPL-2.0-only
"""Databases: statements of SQL over one session."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from unilinux.app.checks.sql import SqlCheck, SqlStep
from unilinux.verify import mysql, postgres
from unilinux.verify.attempts import LostReplyError, Patience, Server, Verdict, excerpt
from unilinux.verify.connection import connected
from unilinux.verify.database import Refused, Rows
from unilinux.vm.protocols.stream import ProtocolError


class _Session(Protocol):
    def run(self, statement: str) -> Rows: ...

    def close(self) -> None: ...


_Begin = Callable[[socket.socket, SqlCheck, float], _Session]
_DIALECTS: Mapping[str, _Begin] = MappingProxyType({"postgres": postgres.begin, "mysql": mysql.begin})


def ask_sql(check: SqlCheck, server: Server, patience: Patience) -> Verdict:
    """Log in, run the statements of ``check`` and judge what they bring.

    :raise OSError: the connection broke before the session had begun, or the server isn't ready yet.
    :raise EOFError: it ended before that.
    :raise LostReplyError: it broke or ended later.
    """
    with connected(server, check.port, patience) as stream:
        try:
            session = _DIALECTS[check.dialect](stream, check, patience.further_s)
        except Refused as error:
            return Verdict(ok=False, detail=f"{check.user} can't log in on port {check.port}: {error}")
        except ProtocolError as error:
            return Verdict(ok=False, detail=f"port {check.port}: {error}")
        try:
            for number, step in enumerate(check.steps, start=1):
                if (problem := _problem(session, step)) is not None:
                    return Verdict(ok=False, detail=f"statement {number} ({step.statement}): {problem}")
        finally:
            session.close()
    return Verdict(ok=True, detail=f"{len(check.steps)} statements on port {check.port} did what they should")


def _problem(session: _Session, step: SqlStep) -> str | None:
    """What is wrong with what a statement brings."""
    try:
        rows = session.run(step.statement)
    except Refused as error:
        if step.error is None:
            return str(error)
        found = re.search(step.error, str(error))
        return None if found else f"expected an error in which {step.error!r} is found, got: {error}"
    except ProtocolError as error:
        return str(error)
    except (OSError, EOFError) as error:  # perhaps it was executed, and must not be a second time
        raise LostReplyError(f"{step.statement}: no answer ({error})") from error
    if step.error is not None:
        return f"it succeeded; expected an error in which {step.error!r} is found"
    if step.rows is not None and rows != step.rows:
        return f"expected {_shown(step.rows)}, got {_shown(rows)}"
    return None


def _shown(rows: Sequence[Sequence[str]]) -> str:
    text = "; ".join(" | ".join(row) for row in rows)
    return f"the rows {excerpt(text.encode())}" if rows else "no rows"
