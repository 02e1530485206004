"""One task's run: progress is shown, the answer goes to standard output, errors become exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.report.choose import choose_sink
from unilinux.report.failure import show_failure
from unilinux.report.sink import Reporter
from unilinux.report.tables import Column, show_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a task works with. ``as_json`` asks for one JSON document instead of text."""

    layout: Layout
    progress: Progress
    reporter: Reporter
    as_json: bool = False

    @property
    def jobs(self) -> int:
        """How many compilers may run at once."""
        return os.cpu_count() or 1

    def new_store(self) -> Store:
        """The store of build steps; it remembers which ones this run went through."""
        return LocalStore(self.layout.store, logs=self.layout.logs, progress=self.progress)

    def new_fetcher(self) -> Fetcher:
        """Verified downloads."""
        return Fetcher(self.layout, self.progress)

    def end_progress(self) -> None:
        """Leave the terminal to something else."""
        self.reporter.close()

    def answer(self, document: Mapping[str, Any] | Sequence[Any], text: Callable[[], str]) -> None:
        """Write the task's result to standard output: as JSON, or as text for people."""
        whole = json.dumps(document, indent=2) if self.as_json else text()
        sys.stdout.write(whole.rstrip("\n") + "\n" if whole else "")
        sys.stdout.flush()

    def answer_table(
        self, document: Sequence[Mapping[str, Any]], columns: Sequence[Column], rows: Sequence[Sequence[str]]
    ) -> None:
        """Write rows to standard output: as a JSON list, or as a table."""
        if self.as_json:
            self.answer(document, str)
        else:
            show_table(columns, rows, sys.stdout)
            sys.stdout.flush()


@contextmanager
def session(project: Path, *, as_json: bool = False, verbose: bool = False) -> Iterator[Session]:
    """Run the ``with`` block as one task.

    :raise SystemExit: with the exit code of the kind of error that left the block,
        after one screen about it on standard error.
    """
    # A termination request unwinds as Ctrl-C does, so that nothing is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        layout = Layout.of(project, os.environ)
        with choose_sink(sys.stderr, os.environ) as sink:
            yield Session(layout=layout, progress=Progress(sink), reporter=sink, as_json=as_json)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 # this is the one place where errors end
        raise SystemExit(show_failure(error, sys.stderr, verbose=verbose)) from None
