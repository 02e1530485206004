# SPDX-License-Identifier: GPL-2.0-only
"""Which sink fits: a person's terminal, a log, or a program that reads along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TextIO

from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.report.jsonl import JsonLines
from unilinux.report.plain import PlainLines
from unilinux.report.sink import Reporter
from unilinux.report.stream import SafeStream

VARIABLE = "UNILINUX_PROGRESS"


def choose_sink(stream: TextIO, environ: Mapping[str, str], *, mode: str | None = None) -> Reporter:
    """The sink for ``stream``, which is standard error.

    ``mode``, or else ``$UNILINUX_PROGRESS``, says which: ``tree``, ``plain``, ``json`` or ``none``.
    Without either, a terminal gets the tree and all else (a file, a pipe, CI) plain lines.

    :raise UsageError: there is no such mode.
    """
    sinks: dict[str, Callable[[], Reporter]] = {
        "tree": lambda: _live_tree(stream),
        "plain": lambda: PlainLines(stream),
        "json": lambda: JsonLines(stream),
        "none": Reporter,
    }
    wanted = mode or progress_mode(environ) or ("tree" if _is_for_people(stream, environ) else "plain")
    if wanted not in sinks:
        raise UsageError(unknown("kind of progress", wanted, sinks), hint=f"set {VARIABLE} to one of them, or unset it")
    return sinks[wanted]()


def progress_mode(environ: Mapping[str, str]) -> str:
    """The kind of progress that the user asked for; empty if none was."""
    return environ.get(VARIABLE, "")


def _live_tree(stream: TextIO) -> Reporter:
    from unilinux.report.terminal import LiveTree  # rich takes a tenth of a second to load: only where it draws

    return LiveTree(stream)


def _is_for_people(stream: TextIO, environ: Mapping[str, str]) -> bool:
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return SafeStream(stream).isatty() and not in_ci and environ.get("TERM", "") not in ("", "dumb")
