# SPDX-License-Identifier: GPL-2.0-only
"""Statements of SQL: sessions with servers that speak just enough of PostgreSQL's and MySQL's protocols."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.unit.verify.conftest import StartVm
from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks.sql import SqlCheck, SqlStep
from unilinux.core.document import Model
from unilinux.verify.attempts import LostReplyError, Patience, Verdict
from unilinux.verify.sql import ask_sql
from unilinux.verify.verify import check_machine

PATIENCE = Patience(10, 10)

Rows = list[list[str | None]]
Answers = Mapping[str, Rows | Exception | None]
"""What a server answers to a statement: rows, an error, or nothing any more, and it closes."""


# ---------------------------------------------------------------------------- PostgreSQL


def pg_message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def pg_error(code: str, message: str) -> bytes:
    return pg_message(b"E", b"SERROR\0" + f"C{code}\0M{message}\0".encode() + b"\0")


PG_READY = pg_message(b"Z", b"I")
PG_WELCOME = pg_message(b"R", struct.pack("!i", 0)) + PG_READY


def pg_rows(rows: Rows) -> bytes:
    columns = len(rows[0]) if rows else 1
    # Name, table, column, type (16 is bool, which a library could turn into something else), size, modifier, text.
    column = b"c\0" + struct.pack("!ihihih", 0, 0, 16, 1, -1, 0)
    data = [pg_message(b"T", struct.pack("!h", columns) + column * columns)]
    for row in rows:
        body = struct.pack("!h", len(row))
        for value in row:
            body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value.encode()
        data.append(pg_message(b"D", body))
    return b"".join(data) + pg_message(b"C", b"SELECT 1\0") + PG_READY


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError("the client has gone")
        data += more
    return data


def postgres(answers: Answers, welcome: bytes = PG_WELCOME) -> Script:
    def script(connection: socket.socket) -> None:
        exactly(connection, struct.unpack("!i", exactly(connection, 4))[0] - 4)
        connection.sendall(welcome)
        while (kind := exactly(connection, 1)) == b"Q":
            statement = exactly(connection, struct.unpack("!i", exactly(connection, 4))[0] - 4)[:-1].decode()
            answer = answers[statement]
            if answer is None:
                return
            if isinstance(answer, Exception):
                connection.sendall(pg_error("23505", str(answer)) + PG_READY)
            else:
                connection.sendall(pg_rows(answer))
        assert kind == b"X"

    return script


# ---------------------------------------------------------------------------- MySQL


def my_packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def my_text(text: str | None) -> bytes:
    return b"\xfb" if text is None else bytes([len(text)]) + text.encode()


MY_OK = b"\0\0\0\2\0\0\0"
MY_END = b"\xfe\0\0\2\0"
MY_WELCOME = (
    # Version, thread, salt, capabilities (protocol 4.1, secure connection, plug-in authentication), UTF-8, status.
    b"\x0a11.4-fake\0" + struct.pack("<I", 1) + b"saltsalt\0" + struct.pack("<HBHHB", 0xA200, 45, 2, 0x8, 21)
    + bytes(10) + b"saltsaltsalt\0" + b"mysql_native_password\0"
)  # fmt: skip


def my_error(number: int, message: str) -> bytes:
    return b"\xff" + struct.pack("<H", number) + b"#42000" + message.encode()


def my_rows(rows: Rows) -> bytes:
    columns = len(rows[0]) if rows else 1
    # Length, character set, size, type (3 is an integer), flags, decimals, filler.
    column = b"\3def\0\0\0" + my_text("c") + my_text("c") + b"\x0c" + struct.pack("<HIBHBH", 45, 11, 3, 0, 0, 0)
    bodies = [bytes([columns]), *[column] * columns, MY_END]
    bodies += [b"".join(my_text(value) for value in row) for row in rows]
    return b"".join(my_packet(number, body) for number, body in enumerate([*bodies, MY_END], start=1))


def mysql(answers: Answers, login: bytes = MY_OK) -> Script:
    def script(connection: socket.socket) -> None:
        def packet() -> bytes:
            return exactly(connection, int.from_bytes(exactly(connection, 4)[:3], "little"))

        connection.sendall(my_packet(0, MY_WELCOME))
        packet()
        connection.sendall(my_packet(2, login))
        while (request := packet())[0] == 3:
            statement = request[1:].decode()
            answer = [] if statement.startswith("SET ") else answers[statement]
            if answer is None:
                return
            if isinstance(answer, Exception):
                connection.sendall(my_packet(1, my_error(1062, str(answer))))
            else:
                connection.sendall(my_rows(answer) if answer else my_packet(1, MY_OK))
        assert request[0] == 1

    return script


# ---------------------------------------------------------------------------- tests

DIALECTS: Mapping[str, Callable[..., Script]] = {"postgres": postgres, "mysql": mysql}


def check(dialect: str, *steps: dict[str, Any]) -> SqlCheck:
    made = tuple(SqlStep(**step) for step in steps)
    return SqlCheck(kind="sql", dialect=dialect, port=5432, user="ada", password="p", steps=made)  # type: ignore[arg-type]


def asked(dialect: str, answers: Answers, *steps: dict[str, Any]) -> Verdict:
    with serving(DIALECTS[dialect](answers)) as port:
        return ask_sql(check(dialect, *steps), At(port), PATIENCE)


@pytest.fixture(params=sorted(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_rows_are_the_texts_that_the_server_sends(dialect: str) -> None:
    verdict = asked(
        dialect,
        {"INSERT": [], "SELECT": [["t", None], ["0042", ""]]},
        {"statement": "INSERT"},
        {"statement": "SELECT", "rows": (("t", "NULL"), ("0042", ""))},
    )
    assert verdict == Verdict(ok=True, detail="2 statements on port 5432 did what they should")


def test_other_rows_fail(dialect: str) -> None:
    verdict = asked(dialect, {"SELECT": [["1"], ["3"]]}, {"statement": "SELECT", "rows": (("1",), ("2",))})
    assert verdict == Verdict(ok=False, detail="statement 1 (SELECT): expected the rows '1; 2', got the rows '1; 3'")
    verdict = asked(dialect, {"SELECT": []}, {"statement": "SELECT", "rows": (("1",),)})
    assert "expected the rows '1', got no rows" in verdict.detail


def test_an_error_fails_unless_it_is_expected(dialect: str) -> None:
    answers = {"INSERT": ValueError("Duplicate key 'x'")}
    verdict = asked(dialect, answers, {"statement": "INSERT"})
    assert not verdict.ok
    assert "statement 1 (INSERT): Duplicate key 'x'" in verdict.detail
    assert asked(dialect, answers, {"statement": "INSERT", "error": "(?i)duplicate"}).ok
    verdict = asked(dialect, answers, {"statement": "INSERT", "error": "syntax"})
    assert "expected an error in which 'syntax' is found, got: Duplicate key 'x'" in verdict.detail
    verdict = asked(dialect, {"INSERT": []}, {"statement": "INSERT", "error": "syntax"})
    assert verdict.detail.endswith("it succeeded; expected an error in which 'syntax' is found")


def test_a_session_that_ends_later_is_not_begun_again(dialect: str) -> None:
    with pytest.raises(LostReplyError, match="INSERT: no answer"):
        asked(dialect, {"INSERT": None}, {"statement": "INSERT"})


@pytest.mark.parametrize(
    ("dialect", "script"),
    [
        ("postgres", postgres({}, welcome=pg_error("28P01", "no such user"))),
        ("mysql", mysql({}, login=my_error(1045, "no such user"))),
    ],
)
def test_who_may_not_log_in_is_told(dialect: str, script: Script) -> None:
    with serving(script) as port:
        verdict = ask_sql(check(dialect, {"statement": "SELECT"}), At(port), PATIENCE)
    assert not verdict.ok
    assert verdict.detail.startswith("ada can't log in on port 5432: no such user")


def test_a_server_that_still_starts_is_asked_again(start_vm: StartVm) -> None:
    starting = postgres({}, welcome=pg_error("57P03", "the database system is starting up"))
    with serving(hang_up, starting, postgres({"SELECT": [["1"]]})) as port:
        vm = start_vm(lambda _: None, {5432: port})
        done = check_machine(vm, [check("postgres", {"statement": "SELECT", "rows": (("1",),)})], None)
    assert [(it.kind, it.ok) for it in done.checks] == [("sql", True)]


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, bytes(range(64)), b"\xff" * 300])
def test_something_else_is_no_database(dialect: str, nonsense: bytes) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(nonsense)
        connection.recv(4096)

    with serving(script) as port:
        try:
            verdict = ask_sql(check(dialect, {"statement": "SELECT"}), At(port), Patience(5, 0.5))
        except (OSError, EOFError):  # as of a server that hangs up: it is asked again until the time is over
            return
    assert not verdict.ok


def test_a_silent_server_is_given_up(dialect: str) -> None:
    def script(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with serving(script) as port, pytest.raises(OSError, match="."):
        ask_sql(check(dialect, {"statement": "SELECT"}), At(port), Patience(5, 0.2))


@pytest.mark.parametrize(
    ("model", "value", "complaint"),
    [
        (SqlStep, {"statement": "x", "rows": (), "error": "y"}, "rows and error exclude each other"),
        (SqlStep, {"statement": "x", "error": "("}, "'\\(' is no regular expression"),
        (SqlStep, {"statement": ""}, "at least 1 character"),
        (SqlCheck, {"kind": "sql", "dialect": "oracle", "port": 1, "user": "a", "steps": ()}, "'postgres' or 'mysql'"),
    ],
)
def test_checks_that_mean_nothing(model: type[Model], value: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        model(**value)


def test_a_connection_that_ends_at_once_is_worth_another_attempt(dialect: str) -> None:
    for script in (hang_up, reply(b"")):
        with serving(script) as port, pytest.raises((OSError, EOFError)):
            ask_sql(check(dialect, {"statement": "SELECT"}), At(port), Patience(5, 5))
