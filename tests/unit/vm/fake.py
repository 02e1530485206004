# SPDX-License-Identifier: GPL-2.0-only
"""An engine without a machine: a QMP server and a scripted guest on socket pairs."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from unilinux.core.errors import UniLinuxError, UsageError
from unilinux.vm.engine import Abilities, Boot, Monitor

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}

Script = Callable[["FakeGuest"], None]


class SocketStream:
    """A console on a socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def receive(self) -> bytes:
        try:
            return self._end.recv(4096)
        except OSError:
            return b""

    def send(self, data: bytes) -> None:
        try:
            self._end.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        self._end.close()


class FakeGuest:
    """What ``script`` does is the guest; it runs in a thread from QMP's ``cont`` on."""

    def __init__(
        self,
        script: Script,
        replies: dict[str, Any],
        *,
        greets: bool = True,
        ports: Mapping[int, int] | None = None,
    ) -> None:
        self.qmp, self._qmp_end = socket.socketpair()
        ours, self.serial = socket.socketpair()
        self.console = SocketStream(ours)
        self.report, self._report_end = socket.socketpair()
        self.commands: list[dict[str, Any]] = []
        self.returncode: int | None = None
        self.failure: UniLinuxError | None = None
        self.monitor: Monitor | None = None
        self.breaks = threading.Event()
        self.idle = False
        self.said: tuple[str, ...] = ("fake: something is wrong",)
        self.accepted: set[int] = set(ports or {})
        self._ports = dict(ports or {})
        self._script = script
        self._replies = replies
        self._greets = greets
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._spawn(self._serve)

    def attach(self, monitor: Monitor) -> None:
        self.monitor = monitor

    def connect(self, port: int, timeout_s: float) -> socket.socket:
        if port not in self._ports:
            raise UsageError(f"port {port} of the guest is not forwarded")
        return socket.create_connection(("127.0.0.1", self._ports[port]), timeout=timeout_s)

    def forwarded(self) -> Mapping[int, tuple[str, int]]:
        return {guest: ("127.0.0.1", host) for guest, host in self._ports.items()}

    def has_accepted(self, port: int) -> bool:
        return port in self.accepted

    def is_idle(self) -> bool:
        return self.idle

    def wait(self, timeout_s: float) -> int | None:
        return self.returncode if self._ended.wait(timeout_s) else None

    def kill(self) -> None:
        self.exit(-9)
        for thread in self._threads:
            thread.join()

    def complaints(self) -> tuple[str, ...]:
        return self.said

    def launch_failure(self) -> UniLinuxError | None:
        return self.failure

    def say(self, text: str) -> None:
        self.serial.sendall(text.replace("\n", "\r\n").encode())

    def reports(self, text: str) -> None:
        """Say something on the kernel's report port."""
        self._report_end.sendall(text.encode())

    def restart(self) -> None:
        """End as a machine does whose guest restarts, as after a panic."""
        self.event("SHUTDOWN", guest=True, reason="guest-reset")
        self.exit(0)

    def event(self, name: str, **data: object) -> None:
        self._send({"event": name, "data": data, "timestamp": {"seconds": 0, "microseconds": 0}})

    def exit(self, returncode: int, report: str = "") -> None:
        """End as QEMU ends: report, exit code, and all sockets closed by that."""
        if not self._ended.is_set():
            self.returncode = returncode
            self._report_end.sendall(report.encode())
            for end in (self._qmp_end, self.serial, self._report_end):
                end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._ended.set()

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        if not self._greets:
            self.exit(1)
            return
        self._send(GREETING)
        for message in self._messages():
            self.commands.append(message)
            name = message["execute"]
            answer = self._replies.get(name, {"return": {}})
            self._send({**answer, "id": message.get("id")})
            if name == "chardev-send-break":
                self.breaks.set()
            if name == "cont":
                self._spawn(lambda: self._script(self))

    def _messages(self) -> Iterator[dict[str, Any]]:
        text = ""
        # The client ends its messages with nothing at all.
        while data := self._receive():
            text += data.decode()
            while text.strip():
                try:
                    message, end = json.JSONDecoder().raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                yield message

    def _receive(self) -> bytes:
        try:
            return self._qmp_end.recv(4096)
        except OSError:
            return b""

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._qmp_end.sendall(json.dumps(message).encode() + b"\r\n")
        except OSError:
            pass


class FakeEngine:
    """Launches one :class:`FakeGuest`; ``ports`` are the host's for those of the guest."""

    name = "fake"
    reason = "a test"

    def __init__(
        self,
        script: Script,
        replies: dict[str, Any] | None = None,
        *,
        ports: Mapping[int, int] | None = None,
        abilities: Abilities | None = None,
    ) -> None:
        self.guest: FakeGuest | None = None
        self.boots: list[Boot] = []
        self.failure: UniLinuxError | None = None
        self.abilities = abilities or Abilities(
            accelerator="tcg", forwards=frozenset({"tcp"}), debugger=True, instruction_clock=True, plugins=True
        )
        self._script = script
        self._replies = replies or {}
        self._ports = ports

    def describe(self) -> dict[str, Any]:
        return {"engine": self.name}

    def launch(self, boot: Boot) -> FakeGuest:
        self.boots.append(boot)
        self.guest = FakeGuest(self._script, self._replies, greets=self.failure is None, ports=self._ports)
        self.guest.failure = self.failure
        return self.guest
