# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's make says: progress while it runs, and the lines that matter when it fails."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unilinux.core.events import StepHandle

_SHOWN_ERRORS = 40  # lines of compiler messages that an error shows
_MADE = re.compile(
    r"^  (CC|AS|LD|AR|HOSTCC|HOSTLD|OBJCOPY|KSYMS|LZ4|GZIP|ZSTD|XZKERN|LZMA|LZO|BZIP2) +(?:\[M\] )?(\S+)$"
)
_PLANNED = re.compile(r"echo '  (CC|AS) +\S+'")
_ERROR = re.compile(
    r"(^|[ :])(fatal )?error: |undefined reference|multiple definition"
    r"|\*\*\* (?!\[|Waiting for)|cannot find |: not found$"
)
_BEFORE_ERROR = re.compile(r"^In file included from |^ +from |: (In function|At top level|in function) ?")
_COMMAND = re.compile(r"^  [A-Z][A-Z0-9_]* +\S")
_MAKE = re.compile(r"^make(\[\d+\])?: ")


def planned_objects(lines: Sequence[str]) -> int:
    """How many objects make would compile, by the output of ``make --dry-run``."""
    return sum(1 for line in lines if _PLANNED.search(line))


class MakeOutput:
    """What make prints, handed on as progress: which file, and how many of ``total`` objects so far."""

    def __init__(self, step: StepHandle, folder: str, *, total: int | None = None) -> None:
        self._step = step
        self._folder = folder
        self._total = total
        self._count = 0
        if total is not None:
            step.progress(0, total)
        self.lines: list[str] = []

    def line(self, line: str) -> None:
        """Take in one line of output."""
        self.lines.append(line)
        found = _MADE.match(line)
        if found:
            self._count += found[1] in ("CC", "AS")
            # Some tools are built under their full path.
            text = f"{found[1]} {found[2].rpartition(f'/{self._folder}/')[2]}"
            if self._total is None:
                self._step.detail(text)
            else:
                self._step.progress(min(self._count, self._total), self._total, text)


def compiler_errors(lines: Sequence[str]) -> tuple[str, ...]:
    """The messages that stopped the build, each with what leads to it and what follows it.

    Warnings, and whatever other jobs of the same make said meanwhile, are left out: the
    commands that they begin can stand between the lines of one message.
    """
    kept: list[str] = []
    leading: list[str] = []
    inside = False
    for line in lines:
        if _ERROR.search(line):
            kept += [*leading, line]
            leading, inside = [], True
        elif _BEFORE_ERROR.search(line):
            leading, inside = [*leading, line], False
        elif _COMMAND.match(line):
            continue
        elif _MAKE.match(line) or ": warning: " in line:
            leading, inside = [], False
        elif inside:
            kept.append(line)
    return tuple(kept[:_SHOWN_ERRORS])
