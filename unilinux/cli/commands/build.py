# SPDX-License-Identifier: GPL-2.0-only
"""Building images, and showing their kernels' configurations."""

from __future__ import annotations

from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.session import session
from unilinux.ops import build as ops


def build(project: Path, choice: Choice, *, bzimage: bool, as_json: bool, verbose: bool) -> None:
    """Build an image and say what came of it."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        image = ops.build(here.workshop, choice.request(), bzimage=bzimage)
        here.answer_with(image.to_json(), image.summary)


def config(project: Path, choice: Choice, *, symbol: str, as_json: bool, verbose: bool) -> None:
    """Show the configuration, each symbol with those who asked for it."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = ops.configure(here.workshop, choice.request(), symbol=symbol)
        if as_json:
            here.answer(found, str)
        else:
            from unilinux.cli.text.tables import show_configuration

            show_configuration(found)
