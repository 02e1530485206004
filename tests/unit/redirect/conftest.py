# SPDX-License-Identifier: GPL-2.0-only
"""Programs for the scanner: assembled here, so that each test shows the code it is about."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.redirect.program import Program, read_program

Assemble = Callable[..., Program]


@pytest.fixture
def assemble(tmp_path: Path) -> Assemble:
    """Make a static program of assembly text (AT&T syntax); labels that begin with ``f_`` become functions."""

    def make(text: str, *, strip: bool = False) -> Program:
        lines = []
        for line in text.strip().splitlines():
            label = line.partition(":")[0].strip()
            if label == "_start" or label.startswith("f_"):
                lines.append(f".type {label}, @function")
            lines.append(line)
        source, binary = tmp_path / "a.S", tmp_path / "a"
        source.write_text(".globl _start\n.text\n" + "\n".join(lines) + "\n")
        subprocess.run(
            ["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", *(["-s"] if strip else []),
             "-o", binary, source], check=True, capture_output=True,
        )  # fmt: skip
        return read_program(binary)

    return make
