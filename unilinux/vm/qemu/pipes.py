# SPDX-License-Identifier: GPL-2.0-only
"""The console of a QEMU process: its standard input and output."""

from __future__ import annotations

import fcntl
import os

_CONSOLE_BYTES = 1 << 20


class Pipes:
    """The console of QEMU, which is its standard input and output.

    Pipes rather than a socket: QEMU writes byte by byte, and a socket keeps room for
    just some 200 writes. A guest that writes faster than we get to read then loses
    characters, since Linux waits no longer than 10 ms for a serial port.
    """

    def __init__(self) -> None:
        self._output, self.far_output = os.pipe()
        self.far_input, self._input = os.pipe()
        os.set_blocking(self._input, False)
        self._is_open = self._far_is_open = True
        try:
            fcntl.fcntl(self.far_output, fcntl.F_SETPIPE_SZ, _CONSOLE_BYTES)
        except OSError:
            pass  # this user has many pipes: 64 KiB will do

    def receive(self) -> bytes:
        """Wait for output; nothing when QEMU has ended."""
        return os.read(self._output, 1 << 16)

    def send(self, data: bytes) -> None:
        """Type something; nothing happens when QEMU has ended, or when we have closed our ends."""
        if not self._is_open:
            return
        try:
            os.write(self._input, data)
        except (BrokenPipeError, BlockingIOError):
            pass

    def close_far_ends(self) -> None:
        """Leave QEMU's ends to QEMU alone. A second call does nothing."""
        # Numbers of closed descriptors are given to others: each is closed once.
        if self._far_is_open:
            self._far_is_open = False
            os.close(self.far_output)
            os.close(self.far_input)

    def close(self) -> None:
        """Let go of our ends. A second call does nothing."""
        if self._is_open:
            self._is_open = False
            os.close(self._output)
            os.close(self._input)
