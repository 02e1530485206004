# SPDX-License-Identifier: GPL-2.0-only
"""Every error that a user can meet, each kind with its own exit code.

The library raises these and never prints or exits; the tasks catch them once.
A message says what went wrong and where, ``details`` shows the evidence (a
compiler's lines, the end of a console), and ``hint`` is the next command.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar


class UniLinuxError(Exception):
    """Base of all errors that are somebody's to mend, not a bug in UniLinux."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, details: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class UsageError(UniLinuxError):
    """A name or an option that doesn't exist or doesn't fit."""

    exit_code = 2


class ManifestError(UniLinuxError):
    """A TOML file or template that is malformed; ``details`` lists every problem."""

    exit_code = 3


class HostError(UniLinuxError):
    """The host lacks something: a tool, a package, a free port, disk space."""

    exit_code = 4


class DownloadError(UniLinuxError):
    """A source could not be fetched, or is not the one that was pinned."""

    exit_code = 5


class PatchError(UniLinuxError):
    """A patch series that doesn't apply or doesn't round-trip."""

    exit_code = 6


class ConfigError(UniLinuxError):
    """Kconfig wishes that contradict each other or that Kconfig refuses."""

    exit_code = 7


class BuildError(UniLinuxError):
    """A compiler or linker said no; ``details`` holds its own lines."""

    exit_code = 8


class CommandError(BuildError):
    """An external command failed.

    ``argv``, ``returncode``, ``log`` (the file with its full output) and ``overdue_s`` (the seconds in which it
    should have ended, and did not) are for callers that turn this into something more precise.
    """

    def __init__(
        self,
        argv: Sequence[str],
        returncode: int,
        *,
        log: Path | None,
        tail: Sequence[str],
        overdue_s: float | None = None,
        hint: str | None = None,
    ) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.log = log
        self.tail = tuple(tail)
        self.overdue_s = overdue_s
        died = f"was killed by signal {-returncode}" if returncode < 0 else f"exited with status {returncode}"
        where = f"the whole output is in {log}" if log else None
        words = f"{shlex.join(self.argv[:8])}{' …' if len(self.argv) > 8 else ''}"
        super().__init__(
            f"{words} {died}" if overdue_s is None else f"{self.argv[0]} did not end within {overdue_s:g} s",
            hint=hint or where,
            details=tail,
        )


class VmError(UniLinuxError):
    """A virtual machine could not be started or driven."""

    exit_code = 9


class BootError(VmError):
    """The guest panicked, hung, ran out of memory or was lost; ``details`` ends its console."""

    exit_code = 10


class VerifyError(UniLinuxError):
    """The image booted, but the application didn't do what its manifest promises."""

    exit_code = 11


class CheckError(UniLinuxError):
    """A quality gate of the project itself failed."""

    exit_code = 12
