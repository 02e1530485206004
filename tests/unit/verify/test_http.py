# SPDX-License-Identifier: GPL-2.0-only
"""HTTP responses, good and bad."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks.http import HttpCheck
from unilinux.verify.attempts import LostReplyError, Patience, Verdict
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


def heard(check: HttpCheck, answer: bytes = WELCOME) -> bytes:
    """The request as a server gets it."""
    seen: list[bytes] = []

    def script(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        connection.sendall(answer)

    assert asked(script, check).ok
    return seen[0]


def test_headers_and_body_are_sent() -> None:
    check = HttpCheck(
        kind="http",
        port=80,
        path="/users",
        method="POST",
        request_headers={"host": "example.org", "Content-Type": "text/plain"},
        request_body="ä\r\n",
    )
    assert heard(check) == (
        b"POST /users HTTP/1.1\r\nhost: example.org\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        b"Content-Length: 4\r\n\r\n\xc3\xa4\r\n"
    )


@pytest.mark.parametrize(
    ("method", "length"),
    [
        ("GET", b""),
        ("OPTIONS", b""),
        ("DELETE", b""),
        *((name, b"Content-Length: 0\r\n") for name in ("POST", "PUT", "PATCH")),
    ],
)
def test_a_request_without_a_body_says_so_where_one_is_usual(method: str, length: bytes) -> None:
    check = HttpCheck.model_validate({"kind": "http", "port": 80, "method": method})
    lines = b"%b / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % method.encode()
    assert heard(check) == lines + length + b"\r\n"


ANSWER = b"HTTP/1.1 200 OK\r\nServer: toy/1.2\r\nVary: Accept\r\nvary: Origin\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "headers", [{"Server": "^toy/"}, {"server": r"\d$"}, {"Vary": "^Origin$", "Content-Length": "0"}]
)
def test_headers_of_the_answer_as_promised(headers: dict[str, str]) -> None:
    """Capital letters make no difference; of several headers with one name any may be meant."""
    assert asked(reply(ANSWER), HttpCheck(kind="http", port=80, headers=headers)).ok


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Server": "nginx"}, "nothing in its header Server matches 'nginx'; it is 'toy/1.2'"),
        ({"Vary": "x"}, "nothing in its header Vary matches 'x'; it is 'Accept', 'Origin'"),
        ({"Allow": "GET"}, "it has no header Allow, but Server, Vary, vary, Content-Length"),
    ],
)
def test_other_headers_are_shown(headers: dict[str, str], problem: str) -> None:
    verdict = asked(reply(ANSWER), HttpCheck(kind="http", port=80, headers=headers))
    assert verdict == Verdict(ok=False, detail=f"GET / on port 80: 200 OK, 0 bytes; {problem}")


def test_an_answer_without_headers_is_told() -> None:
    verdict = asked(reply(b"HTTP/1.1 200 OK\r\n\r\n"), HttpCheck(kind="http", port=80, headers={"Allow": ""}))
    assert verdict.detail.endswith("; it has no header Allow, but none at all")


def test_a_request_that_changes_something_is_not_repeated() -> None:
    with pytest.raises(LostReplyError) as caught:
        asked(reply(b""), HttpCheck(kind="http", port=80, method="POST", request_body="x"))
    assert str(caught.value) == "POST / on port 80: no answer (the connection ended without an answer)"


def test_an_answer_counts_though_the_body_was_not_read() -> None:
    """A server refuses a body that is too large, and closes."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(1 << 20):
            pass

    check = HttpCheck(kind="http", port=80, method="POST", request_body="x" * 5_000_000, status=413)
    assert asked(refuse, check).ok


def test_a_reset_while_the_body_is_sent_is_no_answer() -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with pytest.raises(LostReplyError, match=r"^PUT / on port 80: no answer \("):
        asked(reset, HttpCheck(kind="http", port=80, method="PUT", request_body="x" * 5_000_000))
