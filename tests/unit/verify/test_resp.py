"""RESP: encoding, parsing and judging."""

from __future__ import annotations

import io
import socket

import pytest

from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks import RespCheck
from unilinux.verify.attempts import Patience
from unilinux.verify.resp import ProtocolError, ask_resp, encode, read_reply

CHECK = RespCheck(kind="resp", port=6379, commands=(("PING",), ("GET", "k")), replies=("PONG", "hello"))

PATIENCE = Patience(10, 10)


def test_commands_are_arrays_of_bulk_strings() -> None:
    assert encode(("SET", "k", "ä b")) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\xc3\xa4 b\r\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"+PONG\r\n", "PONG"),
        (b"-ERR no such thing\r\n", "ERR no such thing"),
        (b":1000\r\n", "1000"),
        (b"$5\r\na\r\nbc\r\n", "a\r\nbc"),
        (b"$0\r\n\r\n", ""),
        (b"$-1\r\n", "(nil)"),
        (b"*-1\r\n", "(nil)"),
        (b"*0\r\n", ""),
        (b"*3\r\n$1\r\na\r\n:2\r\n*1\r\n+b\r\n", "a\n2\nb"),
    ],
)
def test_replies_become_text(data: bytes, text: str) -> None:
    assert read_reply(io.BytesIO(data)) == text


@pytest.mark.parametrize("data", [b"", b"+PON", b"$5\r\nab", b"*2\r\n:1\r\n"])
def test_reply_cut_short_is_an_end(data: bytes) -> None:
    with pytest.raises(EOFError):
        read_reply(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"HTTP/1.1 400\r\n", b"\r\n", b"$x\r\n", b"$99999999999\r\n"])
def test_something_else_is_not_resp(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_reply(io.BytesIO(data))


def redis(*replies: bytes) -> Script:
    def script(connection: socket.socket) -> None:
        for data in replies:
            connection.recv(4096)
            connection.sendall(data)

    return script


def test_replies_as_promised() -> None:
    with serving(redis(b"+PONG\r\n", b"$5\r\nhello\r\n")) as port:
        verdict = ask_resp(CHECK, At(port), PATIENCE)
    assert verdict.ok
    assert verdict.detail == "2 commands on port 6379 got the expected replies"


def test_other_reply_is_shown() -> None:
    with serving(redis(b"+PONG\r\n", b"$-1\r\n")) as port:
        verdict = ask_resp(CHECK, At(port), PATIENCE)
    assert not verdict.ok
    assert verdict.detail == "GET k: expected 'hello', got '(nil)'"


def test_something_else_than_redis_is_told() -> None:
    with serving(reply(b"HTTP/1.1 400 Bad Request\r\n")) as port:
        verdict = ask_resp(CHECK, At(port), PATIENCE)
    assert verdict.detail == "PING: not RESP: b'HTTP/1.1 400 Bad Request'"


def test_server_that_still_loads_is_asked_again() -> None:
    with serving(reply(b"-LOADING Redis is loading the dataset in memory\r\n")) as port, pytest.raises(EOFError):
        ask_resp(CHECK, At(port), PATIENCE)


def test_no_answer_is_worth_another_attempt() -> None:
    with serving(hang_up) as port, pytest.raises((EOFError, OSError)):
        ask_resp(CHECK, At(port), PATIENCE)
