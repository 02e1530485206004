# SPDX-License-Identifier: GPL-2.0-only
"""Conversations of bytes: as expected, otherwise, cut short, and too slow."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.verify.conftest import StartVm
from tests.unit.verify.server import At, Script, hang_up, reply, serving
from tests.unit.vm.fake import FakeGuest
from unilinux.app.checks.tcp import TcpCheck
from unilinux.verify.attempts import LostReplyError, Patience, Verdict
from unilinux.verify.tcp import ask_tcp
from unilinux.verify.verify import check_machine

PATIENCE = Patience(10, 10)


def check(*steps: dict[str, Any]) -> TcpCheck:
    return TcpCheck.model_validate({"kind": "tcp", "port": 25, "steps": steps})


def asked(script: Script, *steps: dict[str, Any], patience: Patience = PATIENCE) -> Verdict:
    with serving(script) as port:
        return ask_tcp(check(*steps), At(port), patience)


def wrong(script: Script, *steps: dict[str, Any], patience: Patience = PATIENCE) -> str:
    """What is said of a conversation that goes wrong while the connection stays open."""
    verdict = asked(script, *steps, patience=patience)
    assert not verdict.ok
    return verdict.detail


def lost(script: Script, *steps: dict[str, Any]) -> str:
    """What is said of one that the server ends."""
    with pytest.raises(LostReplyError) as caught:
        asked(script, *steps)
    return str(caught.value)


def wait_for_end(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def saying(*data: bytes) -> Script:
    """Say that at once, and then nothing until the client has gone."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in data:
            connection.sendall(part)
        wait_for_end(connection)

    return script


def answering(replies: Sequence[bytes], seen: list[bytes]) -> Script:
    """Answer each request, then wait for the client to go."""

    def script(connection: socket.socket) -> None:
        for data in replies:
            seen.append(connection.recv(4096))
            connection.sendall(data)
        wait_for_end(connection)

    return script


def test_without_steps_a_connection_is_enough() -> None:
    assert asked(hang_up) == Verdict(ok=True, detail="port 25 accepts connections")


def test_texts_lines_and_bytes_over_one_connection() -> None:
    seen: list[bytes] = []
    script = answering([b"220 mail.example ESMTP\r\n250-a\r\n250 b\r\n", b"\x80\xff\x00", b"ok\xc3\xa4"], seen)
    verdict = asked(
        script,
        {"send": "EHLO ä\r\n", "expect_line": "^220 .*ESMTP$"},
        {"expect": "250-a\r\n"},
        {"expect_line": "^250 "},
        {"send_hex": "00 Ff80", "expect_hex": "80ff 00"},
        {"send": "x"},
        {"expect": "okä"},
    )
    assert verdict == Verdict(ok=True, detail="6 steps on port 25 went as expected")
    assert seen == ["EHLO ä\r\n".encode(), b"\x00\xff\x80", b"x"]


def test_an_answer_may_come_in_pieces() -> None:
    script = saying(b"2", b"20 ", b"he", b"llo\r", b"\nrest")
    assert asked(script, {"expect": "220 "}, {"expect_line": "^hello$"}, {"expect": "re"}).ok


def test_another_answer_is_shown_at_once_and_whole() -> None:
    detail = wrong(answering([b"-ERR what?\r\n"], []), {"send": "PING\r\n", "expect": "+PONG\r\n"})
    assert detail == r"port 25, step 1: sent 'PING\r\n'; expected '+PONG\r\n', got '-ERR what?\r\n'"


def test_the_rest_of_another_answer_is_awaited_and_shown() -> None:
    assert wrong(saying(b"-", b"ERR what?"), {"expect": "+PONG"}).endswith("expected '+PONG', got '-ERR what?'")


def test_bytes_are_shown_as_text_and_in_hexadecimal() -> None:
    detail = wrong(answering([b"\x81\x01A"], []), {"send_hex": "80 0a", "expect_hex": "81 00"})
    assert detail == (
        r"port 25, step 1: sent '\x80\n' (hex 80 0a); expected '\x81\x00' (hex 81 00), got '\x81\x01A' (hex 81 01 41)"
    )


def test_of_long_answers_the_place_where_they_differ_is_shown() -> None:
    detail = wrong(saying(b"x" * 5000 + b"other"), {"expect": "x" * 5000 + "this"})
    assert detail == "port 25, step 1: after 5000 bytes as expected, expected 'this', got 'other'"


def test_another_line_is_shown() -> None:
    detail = wrong(saying(b"220 hello\r\n"), {"expect_line": "^250 "})
    assert detail == r"port 25, step 1: expected a line in which '^250 ' is found, got '220 hello\r\n'"


def test_what_an_earlier_step_left_over_is_not_the_next_answer() -> None:
    detail = wrong(answering([b"+OK\r\n"], []), {"send": "a", "expect": "+OK"}, {"expect": "+OK"})
    assert detail == r"port 25, step 2: expected '+OK', got '\r\n'"


def test_the_deadline_is_told_with_what_came() -> None:
    script = saying(b"+PO")
    detail = wrong(script, {"send": "PING", "expect": "+PONG"}, patience=Patience(10, 0.2))
    assert detail == (
        "port 25, step 1: sent 'PING'; expected '+PONG', got '+PO'; nothing more came within 0.2 s"
    )  # fmt: skip
    detail = wrong(script, {"expect_line": "x"}, patience=Patience(10, 0.2))
    assert detail.endswith("got '+PO'; nothing more came within 0.2 s")


def test_the_deadline_is_for_the_whole_conversation() -> None:
    """A server that says one byte after the other is not listened to for ever."""

    def drip(connection: socket.socket) -> None:
        connection.settimeout(0.02)
        while True:
            connection.sendall(b".")
            try:
                if not connection.recv(1):
                    return
            except TimeoutError:
                pass

    detail = wrong(drip, {"expect_line": "x"}, patience=Patience(10, 0.3))
    assert detail.endswith("; nothing more came within 0.3 s")


def test_a_line_without_end_is_not_read_for_ever() -> None:
    def flood(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x" * 65536)

    detail = wrong(flood, {"expect_line": "x"})
    assert re.search(r"got 'x{200}' and \d{6,7} more bytes$", detail)


def test_a_server_that_takes_nothing_is_not_waited_for_for_ever() -> None:
    def full(connection: socket.socket) -> None:
        connection.sendall(b"!")
        client_is_gone.recv(1)

    end_of_test, client_is_gone = socket.socketpair()
    with serving(full) as port, end_of_test, client_is_gone:
        verdict = ask_tcp(check({"send": "x" * (32 << 20), "expect": "!"}), At(port), Patience(10, 0.2))
        end_of_test.send(b"x")
    assert not verdict.ok
    assert verdict.detail.endswith("; the server didn't take all of it within 0.2 s")


def test_a_close_is_told_with_what_came() -> None:
    assert lost(reply(b"bye"), {"send": "PING", "expect": "+PONG"}) == (
        "port 25, step 1: sent 'PING'; expected '+PONG', got 'bye'; the server closed the connection"
    )
    long = lost(reply(b"x" * 300), {"send": "PING", "expect": "+PONG"})
    assert long.endswith(" and 100 more bytes; the server closed the connection")
    assert lost(reply(b""), {"send": "PING", "expect_line": "PONG"}) == (
        "port 25, step 1: sent 'PING'; expected a line in which 'PONG' is found, got nothing; "
        "the server closed the connection"
    )


def test_a_reset_is_told() -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    detail = lost(reset, {"send": "PING"}, {"expect": "+PONG"})
    assert detail == "port 25, step 2: expected '+PONG', got nothing; the server reset the connection"


def test_a_close_before_a_word_is_worth_another_attempt() -> None:
    with pytest.raises(EOFError, match="step 1: expected '220', got nothing; the server closed the connection"):
        asked(hang_up, {"expect": "220"})


def test_bytes_are_sent_once_and_the_machines_end_is_told(start_vm: StartVm) -> None:
    seen: list[bytes] = []
    ended = socket.socketpair()

    def guest(emulator: FakeGuest) -> None:
        ended[1].recv(1)
        emulator.exit(3, "exit 1\n")

    def crash(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))
        ended[0].send(b"x")

    with serving(crash) as port, ended[0], ended[1]:
        steps = check({"send": "die\n", "expect": "x"})
        verification = check_machine(start_vm(guest, {25: port}), [steps], None, timeout_s=60)
    assert verification.checks[0].detail == (
        r"port 25, step 1: sent 'die\n'; expected 'x', got nothing; the server closed the connection; "
        "the application exited with status 1"
    )
    assert seen == [b"die\n"]


def test_a_server_that_goes_on_without_its_client_is_not_asked_again(start_vm: StartVm) -> None:
    seen: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        seen.append(connection.recv(4096))

    with serving(refuse) as port:
        steps = check({"send": "?", "expect": "x"})
        verification = check_machine(start_vm(lambda _: None, {25: port}), [steps], None, timeout_s=60)
    assert verification.checks[0].detail.endswith("got nothing; the server closed the connection")
    assert verification.trouble is None
    assert seen == [b"?"]
