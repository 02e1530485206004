"""QMP, synchronous: the asynchronous client runs in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from qemu.qmp import ExecuteError, QMPClient, QMPError
from qemu.qmp.message import Message

from unilinux.core.errors import VmError

Result = TypeVar("Result")

_CLOSE_TIMEOUT_S = 5.0


class Qmp:
    """A QMP session over a connected socket. Every message goes to the log file, stamped.

    ``events`` are the names and data of the events so far, in order.
    """

    def __init__(self, stream: socket.socket, log: Path, *, began: float) -> None:
        self.events: list[dict[str, Any]] = []
        self._stream = stream
        self._began = began
        self._log = log.open("w", encoding="utf-8", buffering=1)
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
        return next((event.get("data", {}) for event in reversed(self.events) if event["event"] == name), None)

    def close(self) -> None:
        """End the session and the thread."""
        if self._log.closed:
            return
        try:
            self._submit(self._client.hang_up(), _CLOSE_TIMEOUT_S)
        except TimeoutError:
            pass
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._stream.close()
        try:
            self._log.close()
        except OSError:
            pass

    def note(self, arrow: str, message: Message) -> None:
        """Log a message; called by the client for each."""
        try:
            self._log.write(f"[{time.monotonic() - self._began:9.3f}] {arrow} {json.dumps(dict(message))}\n")
        except OSError:  # a full disk must not stop the conversation
            pass
        if arrow == "<--" and "event" in message:
            self.events.append(dict(message))

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
