# SPDX-License-Identifier: GPL-2.0-only
"""Programs to rewrite, made here by the host's compiler."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Make a program of assembly text (AT&T syntax); labels that begin with ``f_`` become functions."""

    def make(text: str, *flags: str) -> Path:
        lines = [".globl _start", ".text"]
        for line in text.strip().splitlines():
            label = line.partition(":")[0].strip()
            if label == "_start" or label.startswith("f_"):
                lines.append(f".type {label}, @function")
            lines.append(line)
        source, binary = tmp_path / "a.S", tmp_path / "a"
        source.write_text("\n".join(lines) + "\n")
        command: list[str | Path] = ["gcc", "-nostdlib", *(flags or ("-static", "-no-pie")), "-o", binary, source]
        subprocess.run(command, check=True, capture_output=True)
        return binary

    return make
