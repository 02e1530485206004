# SPDX-License-Identifier: GPL-2.0-only
"""One command's run: progress is shown, the answer goes to standard output, errors become exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unilinux.cli.signals import ended_by_signals
from unilinux.core.events import Progress
from unilinux.core.files import explained_disk_errors
from unilinux.core.layout import Layout
from unilinux.report.choose import choose_sink, progress_mode
from unilinux.report.failure import BROKEN_PIPE, failure_document, show_failure, show_failure_line
from unilinux.report.sink import Reporter

if TYPE_CHECKING:
    from unilinux.ops.workshop import Workshop


class Document(Protocol):
    """What a use case returns."""

    def document(self) -> Mapping[str, Any] | Sequence[Any]:
        """Plain JSON data."""


@dataclass(slots=True, kw_only=True)
class Session:
    """What a command works with. ``as_json`` asks for one JSON document instead of text.

    The document is written when the command has ended: what fails after the answer (a check that
    didn't pass) becomes a part of it, so that standard output is one document always.
    """

    workshop: Workshop
    reporter: Reporter
    as_json: bool = False
    document: Mapping[str, Any] | Sequence[Any] | None = None

    def end_progress(self) -> None:
        """Leave the terminal to something else."""
        self.reporter.close()

    def answer(self, result: Document, text: Callable[[], str]) -> None:
        """Write the command's result to standard output: as JSON, or as text for people."""
        self.answer_with(result.document(), text)

    def answer_with(self, document: Mapping[str, Any] | Sequence[Any], text: Callable[[], str]) -> None:
        """The same for a document that the command composes itself."""
        if self.as_json:
            self.document = document
        else:
            write_answer(text())


def write_answer(text: str) -> None:
    """Write text to standard output, in whatever encoding that has.

    :raise BrokenPipeError: nobody reads it any more.
    """
    stream = sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write((text.rstrip("\n") + "\n" if text else "").encode(encoding, "replace").decode(encoding))
    stream.flush()


@contextmanager
def session(project: Path, *, as_json: bool = False, verbose: bool = False) -> Iterator[Session]:
    """Run the ``with`` block as one command.

    :raise SystemExit: with the exit code of the kind of error that left the block, after
        one screen about it on standard error, and one JSON document about it on standard
        output if ``as_json``.
    """
    here: Session | None = None
    try:
        with ended_by_signals(), explained_disk_errors(None):
            layout = Layout.of(project, os.environ)
            with choose_sink(sys.stderr, os.environ) as sink:
                here = Session(workshop=_workshop(layout, Progress(sink)), reporter=sink, as_json=as_json)
                yield here
            if as_json:
                write_answer(json.dumps({} if here.document is None else here.document, indent=2))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 # this is the one place where errors end
        document = here.document if here else None
        raise SystemExit(end_with(error, document, as_json=as_json, verbose=verbose)) from None


def end_with(
    error: BaseException,
    document: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    as_json: bool = False,
    verbose: bool = False,
) -> int:
    """Tell the user what went wrong; returns the status to exit with.

    ``document`` is what the command had answered before.
    """
    if isinstance(error, BrokenPipeError):  # nobody reads on: head and grep -q do that, and mean it
        _write_nowhere()
        return BROKEN_PIPE
    if as_json:
        answered = document if isinstance(document, Mapping) else {}
        try:
            write_answer(json.dumps({**answered, "error": failure_document(error)}, indent=2))
        except BrokenPipeError:
            _write_nowhere()
    if progress_mode(os.environ) == "json":
        return show_failure_line(error, sys.stderr)
    return show_failure(error, sys.stderr, verbose=verbose)


def _write_nowhere() -> None:
    """Let the interpreter's last flush of standard output succeed."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _workshop(layout: Layout, progress: Progress) -> Workshop:
    from unilinux.ops.workshop import Workshop

    return Workshop(layout=layout, progress=progress)
