# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.unit.verify.server import hang_up, reply, serving
from tests.unit.vm.fake import FakeEngine, FakeGuest
from unilinux.app.catalogue import Catalogue
from unilinux.app.checks.http import HttpCheck
from unilinux.core.errors import BootError, UsageError, VerifyError, VmError
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.measure.boot.counter import Counts
from unilinux.measure.calls.load import (
    Load,
    ask,
    load_of,
    read_http,
    read_memcached,
    read_resp,
    requests_per_minstr,
)
from unilinux.vm.engine import Boot
from unilinux.vm.probe import probe_guest
from unilinux.vm.protocols.stream import ProtocolError
from unilinux.vm.vm import Vm

APPS = Catalogue(Path(__file__).parents[4] / "apps")
HTTP = b"HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: 5\r\n\r\nhello"
LOAD = Load(port=80, request=b"ask\r\n", read_answer=read_resp, prepare=(b"set\r\n",))


def counts(*stamps: int, hits: int | None = None) -> Counts:
    known = len(stamps) if hits is None else hits
    return Counts(
        total=0, vcpus=(), hits={"answer": known}, stamps={"answer": stamps}, regions={}, snapshots={}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("app", "port", "request_start"),
    [("nginx", 80, b"GET / HTTP/1.1\r\n"), ("redis", 6379, b"*2\r\n$3\r\nGET\r\n"), ("memcached", 11211, b"get ")],
)
def test_the_load_speaks_the_protocol_that_is_verified(app: str, port: int, request_start: bytes) -> None:
    load = load_of(app, APPS.find(app).manifest.verify)
    assert load.port == port
    assert load.request.startswith(request_start)


def test_requests_over_tls_are_no_load() -> None:
    over_tls = HttpCheck(kind="http", port=443, tls=True)
    with pytest.raises(UsageError, match="server is no server whose requests can be counted"):
        load_of("server", [over_tls])
    assert load_of("server", [over_tls, HttpCheck(kind="http", port=80)]).port == 80


def test_a_program_that_serves_nothing_has_no_load() -> None:
    with pytest.raises(UsageError, match="hello is no server whose requests can be counted"):
        load_of("hello", APPS.find("hello").manifest.verify)


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (read_http, HTTP),
        (read_resp, b"+OK\r\n"),
        (read_resp, b"$10\r\n01234\r\n789\r\n"),
        (read_memcached, b"STORED\r\n"),
        (read_memcached, b"VALUE ladder 0 4\r\nEND\r\r\nEND\r\n"),
    ],
)
def test_just_one_answer_is_read(read: Callable[[BinaryIO], None], answer: bytes) -> None:
    file = io.BytesIO(answer + b"next")
    read(file)
    assert file.read() == b"next"


@pytest.mark.parametrize(
    ("read", "answer"),
    [(read_http, HTTP), (read_resp, b"$3\r\nabc\r\n"), (read_memcached, b"VALUE x 0 1\r\n1\r\nEND\r\n")],
)
def test_an_answer_that_breaks_off_is_noticed_wherever_it_does(read: Callable[[BinaryIO], None], answer: bytes) -> None:
    for length in range(len(answer)):
        with pytest.raises(EOFError):
            read(io.BytesIO(answer[:length]))


@pytest.mark.parametrize(
    ("read", "answer", "message"),
    [
        (read_http, b"HTTP/1.1 404 Not Found\r\n\r\n", "expected HTTP status 200, got 404 Not Found"),
        (read_http, b"HTTP/1.1 200 OK\r\n\r\n", "no Content-Length"),
        (read_resp, b"-ERR unknown command\r\n", "ERR unknown command"),
        (read_resp, b"$-1\r\n", "not a value"),
        (read_memcached, b"END\r\n", "expected a value, got 'END'"),
    ],
)
def test_a_wrong_answer_is_an_error(read: Callable[[BinaryIO], None], answer: bytes, message: str) -> None:
    with pytest.raises((VerifyError, ProtocolError), match=message):
        read(io.BytesIO(answer))


def test_requests_are_counted_between_answers() -> None:
    # Five answers of two sends each; the last three requests took 1200 instructions.
    stamps = (10, 20, 510, 520, 910, 920, 1310, 1320, 1710, 1720)
    assert requests_per_minstr(counts(*stamps), answers=5, requests=3) == pytest.approx(3 * 1e6 / 1200)


@pytest.mark.parametrize(
    ("measured", "answers"),
    [(counts(1, 2, 3), 2), (counts(), 2), (counts(1, 2, 3, 4, hits=8), 4), (counts(1, 2, 3), 3)],
    ids=["more sends", "none", "stamps were dropped", "too few answers"],
)
def test_answers_that_cannot_be_told_apart_are_an_error(measured: Counts, answers: int) -> None:
    with pytest.raises(VmError, match=f"for {answers} answers"):
        requests_per_minstr(measured, answers=answers, requests=3)


@pytest.fixture
def start_vm(tmp_path: Path) -> Iterator[Callable[[int], Vm]]:
    """Start a machine of which nothing runs but a server of the test."""
    with ExitStack() as stack:

        def start(port: int, script: Callable[[FakeGuest], None] = lambda _: None) -> Vm:
            kernel = tmp_path / "vmlinux"
            kernel.write_bytes(probe_guest())
            boot = Boot(machine=compose(MachineSpec()), kernel=kernel, evidence=tmp_path / "evidence")
            return stack.enter_context(Vm.start(boot, FakeEngine(script, ports={80: port})))

        yield start


def echo(connection: socket.socket) -> None:
    while connection.recv(4096):
        connection.sendall(b"+OK\r\n")


def test_requests_follow_each_other_on_one_connection(start_vm: Callable[[int], Vm]) -> None:
    with serving(echo) as port:
        assert ask(start_vm(port), LOAD, warm_up=2, requests=3, timeout_s=10) == 6


def test_a_server_that_is_not_there_yet_is_asked_again(start_vm: Callable[[int], Vm]) -> None:
    with serving(hang_up, hang_up, echo) as port:
        assert ask(start_vm(port), LOAD, warm_up=0, requests=1, timeout_s=10) == 2


def test_a_server_that_never_comes_is_an_error(start_vm: Callable[[int], Vm]) -> None:
    with serving(hang_up) as port, pytest.raises(BootError, match="an answer from port 80 did not come within 0.01 s"):
        ask(start_vm(port), LOAD, warm_up=0, requests=1, timeout_s=0.01)


def test_a_connection_that_breaks_later_is_an_error(start_vm: Callable[[int], Vm]) -> None:
    with serving(reply(b"+OK\r\n")) as port, pytest.raises(VerifyError, match="broke after 1 answers"):
        ask(start_vm(port), LOAD, warm_up=0, requests=1, timeout_s=10)


def test_a_machine_that_ends_is_an_error(start_vm: Callable[..., Vm]) -> None:
    with serving(hang_up) as port:
        vm = start_vm(port, lambda guest: guest.exit(1, "exit 3\n"))
        with pytest.raises(BootError, match="exited with status 3"):
            ask(vm, LOAD, warm_up=0, requests=1, timeout_s=10)
