# SPDX-License-Identifier: GPL-2.0-only
"""What verifying found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.errors import UniLinuxError, VerifyError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check: ``kind`` as in the manifest, or ``stop``. ``detail`` is one line, ``seconds`` since the start."""

    kind: str
    ok: bool
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """How the application runs: its privilege ring (CPL), and how it makes system calls."""

    ring: int
    syscall: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All checks of one run.

    ``entry`` is None if the application didn't start. ``trouble`` is set when the machine
    itself failed: panic, hang, too little memory. ``advice`` is what the console suggests,
    ``look`` the command that starts the same machine for a look inside.
    """

    checks: tuple[CheckResult, ...]
    console_tail: tuple[str, ...]
    console_log: Path
    entry: Entry | None = None
    trouble: UniLinuxError | None = None
    advice: str | None = None
    look: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything is as promised."""
        return self.trouble is None and all(check.ok for check in self.checks)

    def require(self) -> None:
        """Do nothing if everything is as promised.

        :raise BootError: the machine failed.
        :raise VerifyError: a check failed; ``details`` lists those that did, and ends with the console's.
        """
        if self.trouble is not None:
            raise self.trouble
        failed = [check for check in self.checks if not check.ok]
        if failed:
            count = f"{len(failed)} of {len(self.checks)} checks failed"
            lines = [f"{check.kind}: {check.detail}" for check in failed]
            hints = [self.advice, f"the logs are in {self.console_log.parent}"]
            hints.insert(1, f"look inside: {self.look}" if self.look else None)
            raise VerifyError(
                count,
                hint="; ".join(filter(None, hints)),
                details=(*lines, "the end of the console:", *self.console_tail),
            )

    def describe(self) -> dict[str, Any]:
        """The result as JSON data."""
        return {
            "ok": self.ok,
            "checks": [
                {"kind": check.kind, "ok": check.ok, "detail": check.detail, "seconds": round(check.seconds, 3)}
                for check in self.checks
            ],
            "ring": None if self.entry is None else self.entry.ring,
            "syscall": None if self.entry is None else self.entry.syscall,
            "trouble": None if self.trouble is None else self.trouble.message,
        }
