"""``python -m unilinux.cli``: what ``./x`` runs, with the ``tasks.py`` of the checkout that this package lies in."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from unilinux.cli.program import Commands


def main() -> None:
    """Run the command line.

    :raise SystemExit: always, with its status.
    """
    project = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(project))
    Commands(importlib.import_module("tasks").namespace, project).run()
    raise SystemExit(0)


if __name__ == "__main__":
    main()
