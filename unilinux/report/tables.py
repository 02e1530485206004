# SPDX-License-Identifier: GPL-2.0-only
"""Rows and columns: for people on a terminal, aligned and uncut for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, TextIO, cast

from unilinux.report.stream import SafeStream
from unilinux.report.text import one_line


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``right`` aligns it for numbers, ``dim`` is for what matters less."""

    heading: str
    right: bool = False
    dim: bool = False


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    """Write a table to ``stream``: wrapped to the width of a terminal, or one row per line."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    safe = SafeStream(stream)
    if safe.isatty():
        _show_rich(columns, cells, safe)
    else:
        safe.write(_aligned(columns, cells))
        safe.flush()


def _show_rich(columns: Sequence[Column], rows: Sequence[Sequence[str]], stream: SafeStream) -> None:
    from rich import box  # slow to load: only where it draws
    from rich.console import Console
    from rich.table import Table

    console = Console(file=cast(IO[str], stream), highlight=False, markup=False, emoji=False)
    table = Table(box=box.SIMPLE_HEAD, safe_box=not stream.is_unicode, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            style="dim" if column.dim else "",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    lines = [[column.heading for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    text = ""
    for line in lines:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        text += "  ".join(cells).rstrip() + "\n"
    return text
