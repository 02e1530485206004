# SPDX-License-Identifier: GPL-2.0-only
"""What programs tell of themselves, worked out once for each: a step of the build."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unilinux.core.files import write_atomically
from unilinux.core.store import Step, Store
from unilinux.redirect.calls import UnknownCall, system_calls
from unilinux.redirect.decode import DISASSEMBLER
from unilinux.redirect.graph import reachable
from unilinux.redirect.privileged import Privileged, privileged_instructions
from unilinux.redirect.program import read_program

_FILE = "scan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Of one program: the numbers of its system calls, each with places in it, and what is odd about it."""

    program: str
    named: bool
    numbers: Mapping[int, tuple[str, ...]]
    unknown_calls: tuple[UnknownCall, ...]
    privileged: tuple[Privileged, ...]


def scan_program(path: Path, *, name: str, store: Store) -> Scan:
    """Look into an ELF file.

    :param name: its path in the image.
    :raise BuildError: it is no program for x86-64.
    """
    step = Step(
        name="scan",
        label=f"looking into {name}",
        spec={"name": name, "disassembler": DISASSEMBLER},
        files={"program": path},
    )
    output = store.run(step, lambda space: write_atomically(space.out / _FILE, json.dumps(_look(path, name), indent=1)))
    return _from_json(json.loads((output.path / _FILE).read_text(encoding="utf-8")))


def _look(path: Path, name: str) -> dict[str, Any]:
    found = reachable(read_program(path, name))
    asked = system_calls(found)
    return {
        "program": name,
        "named": found.program.named,
        "numbers": {str(number): list(places) for number, places in asked.numbers.items()},
        "unknown_calls": [asdict(unknown) for unknown in asked.unknown_calls],
        "privileged": [asdict(instruction) for instruction in privileged_instructions(found)],
    }


def _from_json(document: Mapping[str, Any]) -> Scan:
    return Scan(
        program=document["program"],
        named=document["named"],
        numbers={int(number): tuple(places) for number, places in document["numbers"].items()},
        unknown_calls=tuple(UnknownCall(**entry) for entry in document["unknown_calls"]),
        privileged=tuple(Privileged(**entry) for entry in document["privileged"]),
    )
