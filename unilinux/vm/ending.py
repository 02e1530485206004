# SPDX-License-Identifier: GPL-2.0-only
"""How a machine ends, and whether it has."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from unilinux.vm.console import Console
from unilinux.vm.diagnosis import judge, lost_reason, stop_reason
from unilinux.vm.engine import Boot, Guest
from unilinux.vm.footprint import silent_shortage
from unilinux.vm.outcome import End, Lost, OutOfMemory, Panic, Stopped, Timeout
from unilinux.vm.report import ReportPort

if TYPE_CHECKING:  # it brings asyncio
    from unilinux.vm.qmp import Qmp

_PANIC_GRACE_S = 10.0  # a panic restarts the machine at once, which ends the engine
_LAST_WORDS_S = 0.5  # what a guest wrote before the engine stopped it is on its way so long at most
_END_GRACE_S = 10.0  # from the end of the console to the end of the engine


class Ending:
    """Watches for the end of a machine. What the kernel reports counts, and what the engine says, not the console."""

    def __init__(
        self, boot: Boot, guest: Guest, kernel_end: int, *, console: Console, report: ReportPort, qmp: Qmp
    ) -> None:
        self._boot = boot
        self._guest = guest
        self._kernel_end = kernel_end
        self._console, self._report, self._qmp = console, report, qmp
        self._end: End | None = None

    @property
    def end(self) -> End | None:
        """How the machine ended, as far as that was noticed."""
        return self._end

    def is_near(self) -> bool:
        """Whether the kernel reported that it panics, which ends the machine soon, or the engine has stopped it."""
        return self._has_panicked or self._qmp.stopped is not None

    def ended(self, deadline: float) -> End | None:
        """The end of the machine, if there is one or one is near."""
        if self._end is None and not self._console.closed and self._qmp.stopped is None:
            soon = min(deadline, time.monotonic() + _PANIC_GRACE_S)
            if not (self._has_panicked and self._console.wait_closed(soon)):
                return None
        return self.conclude()

    def overdue(self, timeout_s: float, awaited: str) -> Timeout | Panic | OutOfMemory:
        """Why what was awaited didn't come in time, on a machine that still runs."""
        panic = self._report.report.panic
        return Panic(panic) if panic is not None else self._silent_shortage() or Timeout(timeout_s, awaited)

    def conclude(self) -> End:
        """How the machine ended; to be called when it has, or is about to."""
        if self._end is None:
            state = self._qmp.stopped
            self._end = self._gone() if state is None else self._stopped(state)
        return self._end

    @property
    def _has_panicked(self) -> bool:
        return self._report.report.panic is not None

    def _stopped(self, state: str) -> End:
        """How it ended that the engine stopped, whose process is still there."""
        self._report.catch_up()
        self._console.wait_quiet(_LAST_WORDS_S)
        return self._judged(restarted=False) or Stopped(state, stop_reason(self._guest.complaints()))

    def _gone(self) -> End:
        """How it ended when all that it wrote has been read."""
        returncode = self._guest.wait(_END_GRACE_S)
        self._console.wait_closed(time.monotonic() + _END_GRACE_S)
        self._qmp.wait_closed(_END_GRACE_S)
        self._report.wait_closed(_END_GRACE_S)
        shutdown = (self._qmp.event("SHUTDOWN") or {}).get("reason")
        restarted = shutdown == "guest-reset"
        return (
            self._judged(restarted=restarted)
            or (self._silent_shortage() if restarted else None)
            or Lost(returncode, lost_reason(returncode, shutdown))
        )

    def _judged(self, *, restarted: bool) -> End | None:
        texts = [line.text for line in self._console.lines()]
        return judge(self._report.report, texts, self._boot.machine.spec.memory_mib, restarted=restarted)

    def _silent_shortage(self) -> OutOfMemory | None:
        """Whether a kernel that has said nothing seems to lack memory."""
        if self._console.lines() or self._report.report.has_init:
            return None
        return silent_shortage(self._boot, self._kernel_end)
