# SPDX-License-Identifier: GPL-2.0-only
"""``python -m unilinux.cli``: what ``./x`` runs, with the ``tasks.py`` of the checkout that this package lies in."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

_INTERRUPTED = 130  # as a shell reports a program that SIGINT ended


@contextmanager
def without_mocks() -> Iterator[None]:
    """Within the ``with`` block, ``unittest.mock`` is an empty stand-in, unless it is loaded already.

    invoke imports it for its ``MockContext``, which is for tests of tasks. It brings asyncio, and with that
    takes as long to load as all the rest of invoke.
    """
    names = ("unittest", "unittest.mock")
    if any(name in sys.modules for name in names):
        yield
        return
    package, mock = (ModuleType(name) for name in names)
    mock.Mock = type("Mock", (), {})  # type: ignore[attr-defined] # the name that invoke imports
    sys.modules |= {"unittest": package, "unittest.mock": mock}
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def main() -> None:
    """Run the command line.

    :raise SystemExit: always, with its status.
    """
    project = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(project))
    try:
        with without_mocks():
            from unilinux.cli.program import Commands

            namespace = importlib.import_module("tasks").namespace
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    Commands(namespace, project).run()
    raise SystemExit(0)


if __name__ == "__main__":
    main()
