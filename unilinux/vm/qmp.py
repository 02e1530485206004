# SPDX-License-Identifier: GPL-2.0-only
"""QMP, synchronous: the asynchronous client runs in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError
from qemu.qmp.message import Message

from unilinux.core.errors import VmError
from unilinux.vm.log import CappedLog

Result = TypeVar("Result")

_CLOSE_TIMEOUT_S = 5.0
# Run states that no machine leaves by itself: KVM failed, or a disk of the host.
_STOPPED = frozenset({"internal-error", "io-error"})


class Qmp:
    """A QMP session over a connected socket. Every message goes to the log file, stamped.

    ``changed`` is notified when the other side has stopped the machine for good. Under a debugger, which stops
    it all the time, it is None, and nobody looks.
    """

    def __init__(
        self, stream: socket.socket, log: CappedLog, *, began: float, changed: threading.Condition | None = None
    ) -> None:
        self._events: dict[str, dict[str, Any]] = {}
        self._is_open = True
        self._stream = stream
        self._began = began
        self._log = log
        self._changed = changed
        self._stopped: str | None = None
        self._looking: asyncio.Task[None] | None = None
        self._client = _LoggedClient(self)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()

    def connect(self, timeout_s: float) -> None:
        """Wait for the greeting and negotiate.

        :raise VmError: the other side hung up, isn't QMP, or took longer.
        """
        self._stream.settimeout(0)  # asyncio takes none that blocks
        self._run("the QMP greeting", self._client.connect(self._stream), timeout_s)

    def execute(self, command: str, arguments: dict[str, object] | None = None, *, timeout_s: float = 30.0) -> Any:
        """Execute a command and return its result.

        :raise VmError: QEMU refused it, is gone, or didn't answer in time.
        """
        return self._run(f"QMP command {command!r}", self._client.execute(command, arguments), timeout_s)

    def wait_closed(self, timeout_s: float) -> None:
        """Wait until all that the other side sent is read, which takes its hanging up."""
        try:
            self._submit(self._client.closed(), timeout_s)
        except TimeoutError:
            pass

    def event(self, name: str) -> dict[str, Any] | None:
        """The data of the last event of that name."""
        return self._events.get(name)

    @property
    def stopped(self) -> str | None:
        """The run state of a machine that goes on no more, such as ``internal-error``; None while it may run."""
        return self._stopped

    @property
    def version(self) -> str:
        """QEMU's version by its greeting; empty before :meth:`connect`."""
        greeting = self._client.greeting
        if greeting is None:
            return ""
        found: Any = greeting.QMP.version["qemu"]
        return ".".join(str(found[part]) for part in ("major", "minor", "micro"))

    def close(self) -> None:
        """End the session and the thread."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._submit(self._client.hang_up(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            pass
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._stream.close()
        self._log.close()

    def note(self, arrow: str, message: Message) -> None:
        """Log a message; called by the client for each."""
        self._log.line(f"[{time.monotonic() - self._began:9.3f}] {arrow} {json.dumps(dict(message))}")
        data: Any = message.get("data", {})
        if arrow == "<--" and "event" in message:
            self._events[str(message["event"])] = dict(data)
            if message["event"] == "STOP" and self._changed is not None:
                self._looking = self._loop.create_task(self._look(self._changed))

    async def _look(self, changed: threading.Condition) -> None:
        """Ask why the machine was stopped, which the event doesn't tell."""
        try:
            found: Any = await self._client.execute("query-status")
        except (QMPError, EOFError, OSError):  # it is gone, which others notice
            return
        if found["status"] in _STOPPED:
            with changed:
                self._stopped = str(found["status"])
                changed.notify_all()

    def _run(self, what: str, work: Coroutine[Any, Any, Result], timeout_s: float) -> Result:
        try:
            return self._submit(work, timeout_s)
        except TimeoutError:
            raise VmError(f"{what} was not answered within {timeout_s:g} s") from None
        except ExecuteError as error:
            raise VmError(f"QEMU refused {what}: {error}") from error
        except (QMPError, EOFError, OSError) as error:
            raise VmError(f"{what} failed: QEMU hung up ({error})") from error

    def _submit(self, work: Coroutine[Any, Any, Result], timeout_s: float) -> Result:
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout_s), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class _LoggedClient(QMPClient):
    def __init__(self, owner: Qmp) -> None:
        super().__init__()
        self._owner = owner
        # Errors reach the caller as exceptions; nobody wants them on the terminal, too.
        self.logger = logging.Logger("qmp")
        self.logger.addHandler(logging.NullHandler())

    def _cb_outbound(self, msg: Message) -> Message:
        self._owner.note("-->", msg)
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        self._owner.note("<--", msg)
        return msg

    async def closed(self) -> None:
        """Wait for the end of the stream."""
        if self._bh_tasks is not None:
            await asyncio.wait([self._bh_tasks])

    async def hang_up(self) -> None:
        """Disconnect; how the other side took it is of no interest."""
        try:
            await self.disconnect()
        except (QMPError, EOFError, OSError):
            pass
