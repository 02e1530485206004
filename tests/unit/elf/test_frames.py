# SPDX-License-Identifier: GPL-2.0-only
"""Unwind tables, against what readelf says of them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.elf.file import parse_elf, read_elf
from unilinux.elf.frames import frames, landing_pads

SOURCE = """
#include <stdexcept>
int ended;
struct Guard { ~Guard() { ended++; } };
__attribute__((noinline)) int check(int n) { if (n > 2) throw std::runtime_error("many"); return n; }
int main(int argc, char **) {
    Guard guard;
    try { return check(argc); } catch (const std::exception &) { return 7; }
}
"""


def compiled(folder: Path, *flags: str) -> Path:
    (folder / "a.cc").write_text(SOURCE)
    subprocess.run(["g++", "-O2", "-o", folder / "a", folder / "a.cc", *flags], check=True)
    return folder / "a"


@pytest.mark.parametrize("flags", [("-pie", "-fPIE"), ("-no-pie",), ("-static",)], ids=" ".join)
def test_frames_are_those_of_readelf(tmp_path: Path, flags: tuple[str, ...]) -> None:
    path = compiled(tmp_path, *flags)
    said = subprocess.run(["readelf", "--debug-dump=frames", path], check=True, capture_output=True, text=True).stdout
    listed = sorted((int(start, 16), int(end, 16)) for start, end in re.findall(r"FDE .*pc=(\w+)\.\.(\w+)", said))
    assert sorted((frame.address, frame.end) for frame in frames(read_elf(path))) == listed


def test_landing_pads_are_in_the_code_of_their_frame_or_its_cold_part(tmp_path: Path) -> None:
    elf = read_elf(compiled(tmp_path))
    symbols = {symbol.name: symbol for symbol in elf.symbols}
    main = next(frame for frame in frames(elf) if frame.address == symbols["main"].address)
    pads = landing_pads(elf, main)
    assert len(pads) == 1
    parts = [symbols[name] for name in ("main", "main.cold") if name in symbols]
    assert any(part.address <= pad < part.address + part.size_bytes for part in parts for pad in pads)


def test_the_return_from_a_signal_is_known(tmp_path: Path) -> None:
    assert sum(frame.is_signal for frame in frames(read_elf(compiled(tmp_path, "-static")))) == 1


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    path = compiled(tmp_path)
    section = read_elf(path).section(".eh_frame")
    assert section is not None
    content = bytes(section.content)
    damaged = path.read_bytes().replace(content, b"\xf0\xff\xff\x7f" + content[4:])
    with pytest.raises(BuildError, match="unwind table"):
        frames(parse_elf(damaged, "damaged"))
