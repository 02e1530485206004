# SPDX-License-Identifier: GPL-2.0-only
import io
import re

from unilinux.report.tables import Column, show_table

COLUMNS = (Column("APP"), Column("MIB", right=True), Column("SUMMARY", dim=True))
ROWS = (("nginx", "64", "HTTP server " * 20), ("lua", "8", "a language\nfor scripts"))


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_aligned_lines_that_are_never_cut() -> None:
    stream = io.StringIO()
    show_table(COLUMNS, ROWS, stream)
    assert stream.getvalue() == (
        "APP    MIB  SUMMARY\n"
        f"nginx   64  {('HTTP server ' * 20).strip()}\n"
        "lua      8  a language for scripts\n"
    )  # fmt: skip


def test_a_table_without_rows_is_its_headings() -> None:
    stream = io.StringIO()
    show_table(COLUMNS, (), stream)
    assert stream.getvalue() == "APP  MIB  SUMMARY\n"


def test_a_terminal_gets_a_table_that_fits() -> None:
    stream = Tty()
    show_table(COLUMNS, ROWS, stream)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
    assert lines[0].split() == ["APP", "MIB", "SUMMARY"]
    assert len(lines) > 4
    assert stream.getvalue().count("HTTP") == 20
