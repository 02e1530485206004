# SPDX-License-Identifier: GPL-2.0-only
"""A survey of applications as a page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.ops.survey import Row, Survey

_HEADINGS = (
    "application",
    "from",
    "version",
    "vmlinux",
    "its files",
    "Kconfig symbols",
    "instructions",
    "ring 3",
    "least memory",
    "system calls found / by the gate / left",
)

_INTRO = """\
<!-- Written by `./x catalogue --output docs/catalogue.md`, from real builds and boots. -->

# Catalogue

You can build, run and verify each of these by its name: `./x verify --app {first}`. All of them passed the checks of
their manifests in ring 0, with system calls by the lean gate, and in ring 3.

- *vmlinux* is the bootable image with all in it, *its files* are those of the application before they are packed.
- *instructions* are the guest's, counted exactly under emulation, from reset until a server listens, or until the
  application's `main` where it is none. *ring 3* is how many more the same application takes there, by the SYSCALL
  instruction.
- *least memory* is the machine's, with which all checks still pass.
- *system calls* counts places in programs and libraries that others have linked: how many were found, how many call
  the gate now, and how many stay traps. Programs that are compiled here have no such places.
"""


def survey_page(found: Survey) -> str:
    """The page. What failed is named below the table."""
    lines = [_INTRO.format(first=found.rows[0].app if found.rows else "hello"), _line(_HEADINGS)]
    lines.append(_line(["---"] * len(_HEADINGS)))
    lines += [_line(_cells(row)) for row in found.rows]
    if found.failed:
        lines += ["", "Not in the table:", "", *(f"- {one.app}: {one.why}" for one in found.failed)]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    more = row.instructions_ring3 / row.instructions - 1
    sites = "-" if row.found is None else f"{row.found:,} / {row.rewritten:,} / {row.left:,}"
    return [
        row.app,
        row.source,
        row.version,
        f"{row.vmlinux_bytes / 1e6:.1f} MB",
        f"{row.files_bytes / 1e6:.1f} MB",
        f"{row.symbols:,}",
        f"{row.instructions / 1e6:.1f} M to {row.stage}",
        f"{more:+.1%}",
        f"{row.least_memory_mib:,} MiB",
        sites,
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
