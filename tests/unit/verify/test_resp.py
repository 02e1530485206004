# SPDX-License-Identifier: GPL-2.0-only
"""RESP: encoding, parsing and judging."""

from __future__ import annotations

import io
import socket
import time

import pytest

from tests.unit.verify.conftest import StartVm
from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks.dialogue import RespCheck
from unilinux.verify.attempts import LostReplyError, Patience
from unilinux.verify.resp import ask_resp
from unilinux.verify.verify import check_machine
from unilinux.vm.protocols.resp import encode, read_reply
from unilinux.vm.protocols.stream import ProtocolError

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


COUNTED = RespCheck(kind="resp", port=6379, commands=(("INCR", "k"), ("INCR", "k")), replies=("1", "2"))


class Counter:
    """A Redis that counts, and takes its time for the first answer."""

    def __init__(self, *, delay_s: float = 0.0, dies_after: int | None = None) -> None:
        self.value, self.delay_s, self.dies_after = 0, delay_s, dies_after

    def __call__(self, connection: socket.socket) -> None:
        for data in iter(lambda: connection.recv(4096), b""):
            self.value += data.count(b"INCR")
            if self.value == self.dies_after:
                return
            time.sleep(self.delay_s)
            self.delay_s = 0.0
            connection.sendall(b":%d\r\n" % self.value)


def test_a_command_is_sent_once_however_slow_its_answer_is(start_vm: StartVm) -> None:
    counter = Counter(delay_s=0.8)  # the first attempt's patience is 0.5 s
    with serving(counter) as port:
        verification = check_machine(start_vm(lambda _: None, {6379: port}), [COUNTED], None, timeout_s=10)
    assert verification.ok, verification
    assert counter.value == 2


def test_commands_are_not_repeated_when_the_connection_ends_among_them() -> None:
    counter = Counter(dies_after=2)
    with serving(counter) as port, pytest.raises(LostReplyError, match="^INCR k: no reply after 1 others"):
        ask_resp(COUNTED, At(port), PATIENCE)
    assert counter.value == 2


def test_nothing_is_sent_before_the_guest_has_accepted() -> None:
    counter = Counter()
    with serving(counter) as port, pytest.raises(TimeoutError, match="did not accept"):
        ask_resp(COUNTED, At(port, accepts=False), Patience(0.1, 10))
    assert counter.value == 0
