# SPDX-License-Identifier: GPL-2.0-only
"""TLS: servers with a certificate that is made here."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.unit.verify.server import At, Script, hang_up, reply, serving
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.tcp import TcpCheck, TcpStep
from unilinux.verify.attempts import LostReplyError, Patience, Verdict
from unilinux.verify.http import ask_http
from unilinux.verify.tcp import ask_tcp

PATIENCE = Patience(10, 10)
WELCOME = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nWelcome!"

OVER_TLS = HttpCheck(kind="http", port=443, tls=True, body="Welcome")


@pytest.fixture(scope="module")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def over_tls(context: ssl.SSLContext, script: Script) -> Script:
    def wrapped(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            script(stream)

    return wrapped


def test_a_request_over_tls(server_context: ssl.SSLContext) -> None:
    with serving(over_tls(server_context, reply(WELCOME))) as port:
        verdict = ask_http(OVER_TLS, At(port), PATIENCE)
    assert verdict == Verdict(ok=True, detail="GET / on port 443 over TLS: 200 OK, 8 bytes")


def test_a_conversation_over_tls(server_context: ssl.SSLContext) -> None:
    check = TcpCheck(kind="tcp", port=443, tls=True, steps=(TcpStep(send="ping", expect="pong"),))
    with serving(over_tls(server_context, reply(b"pong"))) as port:
        assert ask_tcp(check, At(port), PATIENCE).ok
    gong = over_tls(server_context, reply(b"gong"))
    with serving(gong) as port, pytest.raises(LostReplyError, match="sent 'ping'; expected 'pong', got 'gong'"):
        ask_tcp(check, At(port), PATIENCE)


def test_that_tls_begins_is_a_check_by_itself(server_context: ssl.SSLContext) -> None:
    check = TcpCheck(kind="tcp", port=443, tls=True)
    with serving(over_tls(server_context, lambda stream: None)) as port:
        assert ask_tcp(check, At(port), PATIENCE).detail == "port 443 accepts connections and speaks TLS"


def test_a_server_without_tls_is_told() -> None:
    with serving(reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        assert ask_http(OVER_TLS, At(port), PATIENCE).detail == (
            "GET / on port 443 over TLS: no TLS: WRONG_VERSION_NUMBER"
        )
        check = TcpCheck(kind="tcp", port=443, tls=True)
        assert ask_tcp(check, At(port), PATIENCE).detail == "port 443: no TLS: WRONG_VERSION_NUMBER"


def test_a_refusal_is_told(server_context: ssl.SSLContext, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # it has no certificate
    with serving(over_tls(context, reply(WELCOME))) as port:
        assert "no TLS: " in ask_http(OVER_TLS, At(port), PATIENCE).detail


def test_a_connection_that_ends_before_tls_is_worth_another_attempt() -> None:
    with serving(hang_up) as port, pytest.raises((OSError, EOFError)):
        ask_http(OVER_TLS, At(port), PATIENCE)


def test_a_silent_server_is_not_awaited_for_ever() -> None:
    def think(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with serving(think) as port, pytest.raises(TimeoutError):
        ask_http(OVER_TLS, At(port), Patience(0.1, 0.1))
