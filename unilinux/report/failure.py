# SPDX-License-Identifier: GPL-2.0-only
"""An error as one screen."""

from __future__ import annotations

import json
import re
import time
import traceback
from typing import IO, Any, TextIO, cast

from unilinux.core.errors import UniLinuxError
from unilinux.report.stream import SafeStream
from unilinux.report.text import printable

INTERRUPTED = 130  # as a shell reports a program that SIGINT ended
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended
_SIGNALLED = 128  # and the number of the signal

_BUG_HINT = "this is a bug in UniLinux; the same command with --verbose shows where"

# The beginning of the evidence often names the cause, its end the consequence.
_HEAD_LINES = 10
_TAIL_LINES = 20


def exit_code(error: BaseException) -> int:
    """The status to exit with: by kind of error, 130 for Ctrl-C, 128 + N for signal N, 70 for a bug."""
    if isinstance(error, UniLinuxError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return _SIGNALLED + getattr(error, "number", INTERRUPTED - _SIGNALLED)
    return INTERNAL_ERROR


def failure_document(error: BaseException) -> dict[str, Any]:
    """The error as plain JSON data: ``code`` is the exit status, ``kind`` a word that stays the same."""
    found: dict[str, Any] = {"code": exit_code(error), "kind": _kind(error), "message": "", "details": [], "hint": None}
    if isinstance(error, UniLinuxError):
        return {**found, "message": error.message, "details": list(error.details), "hint": error.hint}
    if isinstance(error, KeyboardInterrupt):
        return {**found, "message": "interrupted"}
    return {**found, "message": f"{type(error).__name__}: {error}", "hint": _BUG_HINT}


def show_failure_line(error: BaseException, stream: TextIO) -> int:
    """Write the error as one JSON line, for a program that reads progress; returns the status to exit with."""
    safe = SafeStream(stream)
    safe.write(json.dumps({"event": "failed", "time": round(time.time(), 3), **failure_document(error)}) + "\n")
    safe.flush()
    return exit_code(error)


def _kind(error: BaseException) -> str:
    """``usage`` of UsageError, ``boot`` of BootError; what isn't the user's to mend is ``internal``."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if not isinstance(error, UniLinuxError):
        return "internal"
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()


def show_failure(error: BaseException, stream: TextIO, *, verbose: bool = False) -> int:
    """Write what went wrong, the evidence and the next command; returns the status to exit with.

    ``verbose`` adds the traceback, with the errors that this one came from.
    """
    from rich.console import Console  # slow to load, and most runs don't fail
    from rich.text import Text

    safe = SafeStream(stream)
    console = Console(file=cast(IO[str], safe), highlight=False, markup=False, emoji=False, soft_wrap=True)
    for text, style in _lines(error, verbose=verbose, bar="│" if safe.is_unicode else "|"):
        console.print(Text(printable(text), style))
    return exit_code(error)


def _lines(error: BaseException, *, verbose: bool, bar: str) -> list[tuple[str, str]]:
    trace = [line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")]
    lines = [(line, "dim") for line in trace] if verbose else []
    if isinstance(error, KeyboardInterrupt):
        return [*lines, ("interrupted", "yellow")]
    if not isinstance(error, UniLinuxError):
        lines.append((f"internal error: {type(error).__name__}: {error}", "bold red"))
        if not verbose:
            lines.append((_BUG_HINT, ""))
        return lines
    first, *rest = error.message.splitlines() or [""]
    lines.append((f"error: {first}", "bold red"))
    lines.extend((f"       {line}", "bold red") for line in rest)
    lines.extend((f"  {bar} {line}", "") for line in _shortened(error))
    if error.hint:
        first, *rest = error.hint.splitlines()
        lines.append((f"hint: {first}", "cyan"))
        lines.extend((f"      {line}", "cyan") for line in rest)
    return lines


def _shortened(error: UniLinuxError) -> list[str]:
    lines = [printable(line) for detail in error.details for line in detail.splitlines()]
    left_out = len(lines) - _HEAD_LINES - _TAIL_LINES
    if left_out <= 1:
        return lines
    return [*lines[:_HEAD_LINES], f"... {left_out} lines are left out here ...", *lines[-_TAIL_LINES:]]
