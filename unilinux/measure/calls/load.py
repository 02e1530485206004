# SPDX-License-Identifier: GPL-2.0-only
"""A client that sends a server one request after the other, and what the answers cost the guest."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unilinux.app.checks.dialogue import MemcachedCheck, RespCheck
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.kinds import Check
from unilinux.core.errors import UsageError, VerifyError, VmError
from unilinux.core.files import explained_disk_errors
from unilinux.measure.boot.boots import booted, quit_after
from unilinux.measure.boot.counter import CounterPlan, Counts, Watch, counting, read_counts
from unilinux.measure.boot.kernel import Kernel
from unilinux.measure.calls.ladder import Rung
from unilinux.vm.engine import Boot, Engine, InstructionClock
from unilinux.vm.outcome import Timeout
from unilinux.vm.protocols import http, memcached, resp
from unilinux.vm.protocols.stream import ProtocolError
from unilinux.vm.report import Started
from unilinux.vm.vm import Vm

# The guest's clock counts its instructions while it runs, so that timer interrupts don't depend on the host,
# and follows the host's while it waits: otherwise a server would time out a client that the host delays.
LOAD_CLOCK = InstructionClock(follows_host=True)

WARM_UP = 50
REQUESTS = 400  # together fewer than nginx serves on one connection

_ANSWER = "answer"
_MOST_STAMPS = 1 << 16
_VALUE = "0123456789"
_FIRST_PATIENCE_S = 10.0
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests of one kind to a port of the guest. ``prepare`` are sent once, before them; each gets one answer."""

    port: int
    request: bytes
    read_answer: Callable[[BinaryIO], None]
    prepare: tuple[bytes, ...] = ()


def load_of(app: str, checks: Sequence[Check]) -> Load:
    """The load for an application, by the protocol that its manifest verifies.

    :raise UsageError: it speaks none that we can count.
    """
    for check in checks:
        if isinstance(check, HttpCheck) and check.method == "GET" and check.status == 200 and not check.tls:
            request = http.request("GET", check.path, check.request_headers)
            return Load(port=check.port, request=request, read_answer=read_http)
        if isinstance(check, RespCheck):
            keep, get = resp.encode(("SET", "ladder", _VALUE)), resp.encode(("GET", "ladder"))
            return Load(port=check.port, prepare=(keep,), request=get, read_answer=read_resp)
        if isinstance(check, MemcachedCheck):
            keep, get = memcached.encode(f"set ladder 0 0 10\r\n{_VALUE}"), memcached.encode("get ladder")
            return Load(port=check.port, prepare=(keep,), request=get, read_answer=read_memcached)
    raise UsageError(
        f"{app} is no server whose requests can be counted: it has no verify table of kind http, resp or memcached",
        hint="./x ladder --app nginx --app redis",
    )


def read_http(file: BinaryIO) -> None:
    """Read one response.

    :raise EOFError: the connection ended before it did.
    :raise ProtocolError: it isn't HTTP.
    :raise VerifyError: it isn't one of status 200 with a Content-Length.
    """
    response = http.read_response(file, "GET")
    if response.status != 200:
        raise VerifyError(f"expected HTTP status 200, got {response.status} {response.reason}")
    if not response.has_length:
        raise VerifyError("the response has no Content-Length")
    if response.missing:
        raise EOFError("the connection ended within an answer")


def read_resp(file: BinaryIO) -> None:
    """Read one reply of Redis; raises the same as :func:`read_http` does."""
    resp.read_value(file)


def read_memcached(file: BinaryIO) -> None:
    """Read one reply of memcached; raises the same as :func:`read_http` does."""
    line = memcached.read_value(file)
    if line != "STORED" and not line.startswith("VALUE "):
        raise VerifyError(f"expected a value, got {line!r}")


def ask(vm: Vm, load: Load, *, warm_up: int, requests: int, timeout_s: float) -> int:
    """Wait for the server, then send all requests on one connection; returns the number of answers.

    :raise BootError: the machine ended, or the server didn't answer in time.
    :raise VerifyError: it gave a wrong answer.
    """
    texts = (*load.prepare, *([load.request] * (warm_up + requests)))
    deadline = time.monotonic() + timeout_s
    while True:
        answered = 0
        try:
            # The first attempt waits long enough: an answer to a client that is gone would count.
            with vm.connect(load.port, _FIRST_PATIENCE_S) as stream:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with stream.makefile("rb") as file:
                    for text in texts:
                        stream.sendall(text)
                        load.read_answer(file)
                        answered += 1
                        stream.settimeout(timeout_s)
            return answered
        except ProtocolError as error:
            raise VerifyError(f"answer {answered + 1}: {error}") from error
        except (OSError, EOFError) as error:
            if answered:
                raise VerifyError(f"the connection broke after {answered} answers: {error}") from error
        end = vm.wait(timeout_s=_PAUSE_S, awaited=f"an answer from port {load.port}")
        if not isinstance(end, Timeout):
            raise vm.failure(end)
        if time.monotonic() > deadline:
            raise vm.failure(Timeout(timeout_s, f"an answer from port {load.port}"))


def requests_per_minstr(counts: Counts, *, answers: int, requests: int) -> float:
    """Requests per million guest instructions, of the last ``requests`` of all ``answers``.

    :raise VmError: the server sent something else as well.
    """
    stamps, hits = counts.stamps.get(_ANSWER, ()), counts.hits.get(_ANSWER, 0)
    sends, rest = divmod(hits, answers)
    if not sends or rest or len(stamps) != hits or answers <= requests:
        raise VmError(
            f"the server sent {hits} times for {answers} answers: they cannot be told apart",
            hint="the same command again, when the host is less busy",
        )
    return requests * 1e6 / (stamps[-1] - stamps[-1 - sends * requests])


def counted_load(
    boot: Boot, engine: Engine, rung: Rung, load: Load, kernel: Kernel, *, plugin: Path, timeout_s: float
) -> float:
    """Boot a server under the instruction counter and send it requests. Returns requests per million instructions.

    :raise BootError: the machine ended, or the server didn't answer in time.
    :raise VerifyError: a wrong answer, or another rung than it should be.
    :raise VmError: answers couldn't be told from other traffic.
    """
    watched = kernel.addresses("tcp_sendmsg")
    plan = CounterPlan(watches=(Watch(name=_ANSWER, addresses=watched, keep=_MOST_STAMPS),))
    plan_file, counts_file = boot.evidence / "counter.plan", boot.evidence / "counter.counts"
    with explained_disk_errors(boot.evidence):
        boot.evidence.mkdir(parents=True, exist_ok=True)
        plan_file.write_text(plan.text())
        counts_file.unlink(missing_ok=True)
    answers: list[int] = []

    def use(vm: Vm) -> None:
        _require_rung(vm, rung, timeout_s)
        answers.append(ask(vm, load, warm_up=WARM_UP, requests=REQUESTS, timeout_s=timeout_s))

    boot_with = booted(boot, engine, quit_after(use, timeout_s=timeout_s), clock=LOAD_CLOCK)
    boot_with(counting(plugin, plan_file, counts_file))
    counts = read_counts(counts_file.read_text() if counts_file.exists() else "", plan)
    return requests_per_minstr(counts, answers=answers[0], requests=REQUESTS)


def _require_rung(vm: Vm, rung: Rung, timeout_s: float) -> None:
    started = vm.wait_started(timeout_s=timeout_s)
    if not isinstance(started, Started):
        raise vm.failure(started)
    if (started.ring, started.syscall) != (rung.ring, rung.syscall):
        raise VerifyError(f"the image for {rung.name} enters the kernel in another way: {started.explain()}")
