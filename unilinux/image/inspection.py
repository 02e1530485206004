# SPDX-License-Identifier: GPL-2.0-only
"""What the image's programs tell of themselves: the system calls that they make, and privileged instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unilinux.app.built import Built
from unilinux.app.files import INIT_PATH
from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError
from unilinux.core.events import Progress
from unilinux.core.store import Output, Store
from unilinux.core.tree import File, Tree
from unilinux.elf.file import is_elf
from unilinux.image.entry import Entry
from unilinux.redirect.scan import Scan, scan_program

_SHOWN = 5  # of each kind; image.json has all


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Scans of all programs, and the numbers of the system calls that stay; None: all stay."""

    scans: tuple[Scan, ...] = ()
    kept: tuple[int, ...] | None = None

    def to_json(self, names: Mapping[int, str]) -> dict[str, Any]:
        """The part of ``image.json``; ``names`` are those of system calls."""
        return {
            "system_calls": "all" if self.kept is None else [names.get(number, str(number)) for number in self.kept],
            "unknown_system_calls": [
                {"program": scan.program, "place": unknown.place, "why": unknown.why}
                for scan in self.scans
                for unknown in scan.unknown_calls
            ],
            "privileged_instructions": [
                {
                    "program": scan.program,
                    "function": found.function,
                    "address": f"{found.address:#x}",
                    "instruction": found.instruction,
                    "does": found.does,
                }
                for scan in self.scans
                for found in scan.privileged
            ],
        }


def inspect(
    rootfs: Tree,
    built: Output,
    entry: Entry,
    *,
    refuse: bool,
    replaced: Mapping[str, frozenset[int]] = MappingProxyType({}),
    store: Store,
    progress: Progress,
) -> Inspection:
    """Look into the image's programs, as far as ``entry`` makes that matter.

    :param built: the application's build, which has its programs with their symbols.
    :param refuse: privileged instructions in an application for ring 0 are an error, not a warning.
    :param replaced: addresses of instructions that won't be there any more, by the program's path in the image.
    :raise BuildError: they were found, or the user insists on leaving out system calls
        of a program for which it can't be told which it makes.
    """
    if entry.ring != 0 and entry.kept == "all":
        return Inspection()
    scans = tuple(
        _scan(name, path, replaced.get(name, frozenset()), store) for name, path in _programs(rootfs, built.path)
    )
    if entry.ring == 0:
        _judge(scans, refuse=refuse, progress=progress)
    if entry.kept == "all" or not _all_known(scans, insisted=entry.insisted, progress=progress):
        return Inspection(scans=scans)
    return Inspection(scans=scans, kept=tuple(sorted({number for scan in scans for number in scan.numbers})))


def system_call_names(headers: Path) -> Mapping[int, str]:
    """Names by number, from the kernel's headers for programs (a folder with ``include/``)."""
    text = (headers / "include" / X86_64.system_call_header).read_text(encoding="utf-8")
    return {int(number): name for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


def _programs(rootfs: Tree, built: Path) -> Iterator[tuple[str, Path]]:
    """Path in the image, and the file to look into: one with symbols, if there is one."""
    for entry in rootfs.entries:
        if isinstance(entry, File) and isinstance(entry.content, Path) and is_elf(entry.content):
            yield entry.path, Built(built).symbols(entry.content)


def _scan(name: str, path: Path, replaced: frozenset[int], store: Store) -> Scan:
    scan = scan_program(path, name=name, store=store)
    # The kernel's nolibc puts a HLT behind the call of main() and exit(), where nothing ever comes.
    own = () if name == INIT_PATH else scan.privileged
    return replace(scan, privileged=tuple(found for found in own if found.address not in replaced))


def _judge(scans: Sequence[Scan], *, refuse: bool, progress: Progress) -> None:
    found = [f"{scan.program}: {instruction.text}" for scan in scans for instruction in scan.privileged]
    if found and refuse:
        raise BuildError(
            "the application has privileged instructions, which are legal in ring 0, and the profile refuses them",
            details=_some(found),
            hint='--ring 3 makes signals of them; or another profile, or privileged = "warn" in its [entry]',
        )
    for line in _some(found):
        progress.note(f"warning: {line}")


def _all_known(scans: Sequence[Scan], *, insisted: bool, progress: Progress) -> bool:
    unknown = [f"{scan.program}: {unknown.place}: {unknown.why}" for scan in scans for unknown in scan.unknown_calls]
    if unknown and insisted:
        raise BuildError(
            "it can't be told which system calls the application makes, so none can be left out",
            details=_some(unknown),
            hint="--syscalls all",
        )
    if unknown:
        progress.note("warning: all system calls are kept, as it can't be told which are made")
        for line in _some(unknown):
            progress.note(f"warning: {line}")
    return not unknown


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"… and {more} more"] if more > 0 else [])]
