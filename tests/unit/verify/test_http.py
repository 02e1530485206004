# SPDX-License-Identifier: GPL-2.0-only
"""HTTP responses, good and bad."""

from __future__ import annotations

import socket

import pytest

from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks import HttpCheck
from unilinux.verify.attempts import Patience, Verdict
from unilinux.verify.http import ask_http
from unilinux.vm.protocols.http import request

WELCOME = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nWelcome\n"

PATIENCE = Patience(10, 10)


def asked(script: Script, check: HttpCheck) -> Verdict:
    with serving(script) as port:
        return ask_http(check, At(port), PATIENCE)


def test_status_and_body_as_promised() -> None:
    verdict = asked(reply(WELCOME), HttpCheck(kind="http", port=80, body="^Welcome$"))
    assert verdict == Verdict(ok=True, detail="GET / on port 80: 200 OK, 8 bytes")


def test_other_status_shows_the_body() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
    verdict = asked(reply(answer), HttpCheck(kind="http", port=80, path="/x"))
    assert not verdict.ok
    assert verdict.detail == "GET /x on port 80: 404 Not Found, 4 bytes; expected status 200; the body is 'gone'"


def test_body_without_the_pattern_shows_its_first_bytes() -> None:
    body = b"x" * 300
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n" + body
    verdict = asked(reply(answer), HttpCheck(kind="http", port=80, body="Welcome"))
    assert not verdict.ok
    assert verdict.detail == (
        f"GET / on port 80: 200 OK, 300 bytes; nothing in it matches 'Welcome'; it is '{'x' * 200}' and 100 more bytes"
    )


def test_head_has_no_body() -> None:
    verdict = asked(
        reply(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"), HttpCheck(kind="http", port=80, method="HEAD")
    )
    assert verdict.ok


def test_something_else_than_http_is_told() -> None:
    verdict = asked(reply(b"-ERR unknown command 'GET'\r\n"), HttpCheck(kind="http", port=80))
    assert not verdict.ok
    assert verdict.detail.startswith("GET / on port 80: not HTTP: BadStatusLine")


def test_body_cut_short_is_told() -> None:
    verdict = asked(reply(WELCOME[:-3]), HttpCheck(kind="http", port=80))
    assert verdict == Verdict(ok=False, detail="GET / on port 80: 200 OK, 5 bytes; the body ends 3 bytes too early")


def test_no_answer_is_worth_another_attempt() -> None:
    with pytest.raises((ConnectionResetError, EOFError)):
        asked(hang_up, HttpCheck(kind="http", port=80))


def test_slow_answer_is_not_awaited_for_ever() -> None:
    def think(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with serving(think) as port, pytest.raises(TimeoutError):
        ask_http(HttpCheck(kind="http", port=80), At(port), Patience(0.05, 0.05))


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/ä", b"/%C3%A4"),
        ("/a b", b"/a%20b"),
        ("/a%20b?x=1&y=[2]", b"/a%20b?x=1&y=[2]"),
        ("/x HTTP/1.1\r\nEvil: 1", b"/x%20HTTP/1.1%0D%0AEvil:%201"),
    ],
)
def test_a_path_is_escaped_where_a_request_needs_it(path: str, sent: bytes) -> None:
    expected = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % sent
    assert request("GET", path, {"Connection": "close"}) == expected


def test_a_chunked_body_is_put_together() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nWel\r\n4\r\ncome\r\n0\r\n\r\n"
    assert asked(reply(answer), HttpCheck(kind="http", port=80, body="^Welcome$")).ok
