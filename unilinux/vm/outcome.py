# SPDX-License-Identifier: GPL-2.0-only
"""How a run of a machine went: one frozen type for each kind of end."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ready:
    """The console showed ``line``, ``seconds`` after the start."""

    line: str
    seconds: float

    def explain(self) -> str:
        """One sentence."""
        return f"the console showed {self.line!r} after {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Exited:
    """PID 1 exited, and the kernel powered the machine off."""

    status: int

    def explain(self) -> str:
        """One sentence."""
        return f"the application exited with status {self.status}"


@dataclass(frozen=True, slots=True)
class InitFailed:
    """Init exited with ``status`` instead of becoming the application; ``text`` is its complaint."""

    status: int
    text: str

    def explain(self) -> str:
        """One sentence."""
        return f"init failed: {self.text} (status {self.status})"


@dataclass(frozen=True, slots=True)
class Signalled:
    """PID 1 was killed by a signal, and the kernel powered the machine off."""

    signal: int

    def explain(self) -> str:
        """One sentence, with the signal's name."""
        try:
            name = signal.Signals(self.signal).name
        except ValueError:
            name = "a real-time signal"
        return f"the application was killed by signal {self.signal} ({name})"


@dataclass(frozen=True, slots=True)
class Panic:
    """The kernel panicked; ``text`` is what it said."""

    text: str

    def explain(self) -> str:
        """One sentence."""
        return f"the kernel panicked: {self.text}"


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """The guest's memory (MiB) was too little; ``text`` is how that showed."""

    memory_mib: int
    text: str

    def explain(self) -> str:
        """One sentence."""
        return f"the guest has too little memory (-m {self.memory_mib}): {self.text}"


@dataclass(frozen=True, slots=True)
class Timeout:
    """What was waited for (``awaited``) didn't come within ``seconds``; the machine was still running."""

    seconds: float
    awaited: str

    def explain(self) -> str:
        """One sentence."""
        return f"{self.awaited} did not come within {self.seconds:g} s; the machine was still running"


@dataclass(frozen=True, slots=True)
class Lost:
    """The machine is gone and nobody knows how PID 1 ended.

    ``returncode`` is QEMU's, negative for the signal that killed it; ``reason``
    says what QEMU or we know.
    """

    returncode: int | None
    reason: str

    def explain(self) -> str:
        """One sentence."""
        return f"the machine was lost: {self.reason}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """QEMU stopped the machine for good: it couldn't go on with it.

    ``state`` is QEMU's name for that, such as ``internal-error``; ``text`` is what it printed of the cause.
    """

    state: str
    text: str

    def explain(self) -> str:
        """One sentence."""
        return f"QEMU stopped the machine ({self.state}): {self.text or 'it did not say why'}"


End = Exited | InitFailed | Signalled | Panic | OutOfMemory | Stopped | Lost
"""The machine runs no more."""

Outcome = Ready | Timeout | End
