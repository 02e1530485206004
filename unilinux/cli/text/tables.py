# SPDX-License-Identifier: GPL-2.0-only
"""Lists, as tables for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from unilinux.ops.build import Configuration
from unilinux.ops.catalogue import Applications, Profiles
from unilinux.report.tables import Column, show_table


def show_applications(found: Applications) -> None:
    """A row for each."""
    _show(
        (Column("application"), Column("version"), Column("profile"), Column("ports"), Column("", dim=True)),
        [(m.name, m.version, m.profile, " ".join(map(str, m.run.ports)), m.summary) for m in found.manifests],
    )
    for one in found.broken:
        _show((Column("the manifest doesn't hold"),), [(line,) for line in (one.error.message, *one.error.details)])


def show_profiles(found: Profiles) -> None:
    """A row for each."""
    _show(
        (Column("profile"), Column("stands on"), Column("", dim=True)),
        [(p.name, " ".join(p.chain[:-1]), p.summary) for p in found.profiles],
    )


def show_configuration(found: Configuration) -> None:
    """A row for each symbol."""
    _show(
        (Column("symbol"), Column("value"), Column("where from"), Column("", dim=True)),
        [(state.name, state.value, state.reason, state.why) for state in found.symbols],
    )


def _show(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    show_table(columns, rows, sys.stdout)
    sys.stdout.flush()
