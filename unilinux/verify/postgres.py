# SPDX-License-Identifier: GPL-2.0-only
"""A session of PostgreSQL, by the library pg8000."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from unilinux.app.checks.sql import SqlCheck
from unilinux.verify.database import Refused, Rows, texts
from unilinux.vm.protocols.stream import ProtocolError

if TYPE_CHECKING:
    from pg8000.exceptions import DatabaseError
    from pg8000.native import Connection

# The server is there and doesn't take sessions yet (or any more): PostgreSQL's appendix A, "Error Codes".
_CANNOT_CONNECT_NOW = "57P03"

# What the library raises when the other side speaks something else: it looks up types of messages, unpacks numbers.
_NONSENSE = (LookupError, ValueError, MemoryError)


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: str) -> Rows:
        from pg8000.exceptions import DatabaseError, InterfaceError

        try:
            return texts(self._connection.run(statement))
        except DatabaseError as error:
            raise Refused(_message(error)) from error
        except InterfaceError as error:
            raise ConnectionError(str(error)) from error
        except _NONSENSE as error:
            raise _not_postgres() from error

    def close(self) -> None:
        from pg8000.exceptions import InterfaceError

        try:
            self._connection.close()
        except (InterfaceError, OSError):
            pass  # it is gone already


def begin(stream: socket.socket, check: SqlCheck, _patience_s: float) -> _Session:
    """Log in over a connected ``stream``, whose time-out holds for each answer.

    :raise Refused: the server doesn't let the user in.
    :raise OSError: the connection broke, or the server doesn't take sessions yet.
    :raise ProtocolError: the server speaks something else.
    """
    from pg8000.converters import PG_TYPES
    from pg8000.exceptions import DatabaseError, InterfaceError
    from pg8000.native import Connection

    try:
        connection = Connection(
            check.user,
            host=None,
            sock=stream,
            database=check.database or None,
            password=check.password,
            ssl_context=False,
        )
    except DatabaseError as error:
        message = _message(error)
        if error.args[0].get("C") == _CANNOT_CONNECT_NOW:
            raise ConnectionError(message) from error
        raise Refused(message) from error
    except InterfaceError as error:
        raise ConnectionError(str(error)) from error
    except _NONSENSE as error:
        raise _not_postgres() from error
    for type_number in PG_TYPES:  # values stay the texts that the server sends
        connection.register_in_adapter(type_number, str)
    return _Session(connection)


def _message(error: DatabaseError) -> str:
    """PostgreSQL's own message ('M') of an error."""
    fields = error.args[0]
    return str(fields.get("M", fields)) if isinstance(fields, dict) else str(fields)


def _not_postgres() -> ProtocolError:
    return ProtocolError("the server doesn't speak PostgreSQL's protocol")
