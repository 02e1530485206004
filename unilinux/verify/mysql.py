# SPDX-License-Identifier: GPL-2.0-only
"""A session of MariaDB or MySQL, by the library PyMySQL."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from unilinux.app.checks.sql import SqlCheck
from unilinux.verify.database import Refused, Rows, texts
from unilinux.vm.protocols.stream import ProtocolError

if TYPE_CHECKING:
    from pymysql import MySQLError
    from pymysql.connections import Connection

# Errors that the client finds, not the server, have numbers from here on (MariaDB's list of error codes).
_OURS = range(2000, 3000)

# What the library raises when the other side speaks something else.
_NONSENSE = (LookupError, ValueError, AttributeError, AssertionError, MemoryError)


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, statement: str) -> Rows:
        from pymysql import MySQLError

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                return texts(cursor.fetchall())
        except MySQLError as error:
            raise _failure(error) from error
        except _NONSENSE as error:
            raise _not_mysql() from error

    def close(self) -> None:
        from pymysql import MySQLError

        try:
            self._connection.close()
        except (MySQLError, OSError):
            pass  # it is gone already


def begin(stream: socket.socket, check: SqlCheck, patience_s: float) -> _Session:
    """Log in over a connected ``stream``; each answer may take ``patience_s``.

    :raise Refused: the server doesn't let the user in.
    :raise OSError: the connection broke.
    :raise ProtocolError: the server speaks something else.
    """
    from pymysql import MySQLError
    from pymysql.connections import Connection

    connection = Connection(
        user=check.user,
        password=check.password,
        database=check.database or None,
        conv={},  # values stay the texts that the server sends
        read_timeout=patience_s,
        write_timeout=patience_s,
        autocommit=True,
        charset="utf8mb4",
        ssl_disabled=True,
        defer_connect=True,
    )
    try:
        connection.connect(stream)
    except MySQLError as error:
        raise _failure(error) from error
    except _NONSENSE as error:
        raise _not_mysql() from error
    return _Session(connection)


def _failure(error: MySQLError) -> Exception:
    """The server's answer, or that there was none."""
    number, message = error.args if len(error.args) == 2 else (0, str(error))
    if number in _OURS:
        return ConnectionError(str(message))
    return Refused(f"{message} (error {number})" if number else str(message))


def _not_mysql() -> ProtocolError:
    return ProtocolError("the server doesn't speak MySQL's protocol")
