# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core import command
from unilinux.core.errors import BuildError
from unilinux.measure.size.size import (
    APPLICATION,
    PADDING,
    UNKNOWN,
    Size,
    Symbol,
    differences,
    measure_size,
    with_homes,
)

SOURCES = {
    "init/main.c": "int helper(int); static char zeros[5000]; char table[3000] = {1};\n"
    "int _start(int n) { return helper(n) + zeros[n] + table[n]; }",
    "net/ipv4/tcp.c": "char big[7000] = {1}; int helper(int n) { return big[n]; }",
    "net/core/dev.c": "char unused[9000] = {1};",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with vmlinux and a thin archive vmlinux.a, as kbuild leaves them."""
    folder = tmp_path_factory.mktemp("size")
    objects = []
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        objects.append(str(Path(name).with_suffix(".o")))
        command.run(["gcc", "-O0", "-fdata-sections", "-ffreestanding", "-c", name, "-o", objects[-1]], cwd=folder)
    command.run(["ar", "rcsT", "vmlinux.a", *objects], cwd=folder)
    command.run(["gcc", "-nostdlib", "-static", "-Wl,--gc-sections", "-o", "vmlinux", *objects], cwd=folder)
    return folder


@pytest.fixture(scope="module")
def size(built: Path) -> Size:
    return measure_size(built / "vmlinux", built / "vmlinux.a")


def test_bytes_belong_to_objects_and_subsystems(size: Size) -> None:
    assert 7000 <= size.objects["net/ipv4/tcp.o"] < 7200
    assert 3000 <= size.objects["init/main.o"] < 3200
    assert size.subsystems()["net"] == size.objects["net/ipv4/tcp.o"]
    assert size.subsystems(2)["net/ipv4"] == size.objects["net/ipv4/tcp.o"]


def test_what_the_linker_dropped_costs_nothing(size: Size) -> None:
    assert "net/core/dev.o" not in size.objects
    assert "unused" not in size.symbols


def test_zeroed_memory_is_no_byte_of_the_file(size: Size) -> None:
    assert size.zeroed >= 5000
    assert "zeros" not in size.symbols


def test_all_that_is_loaded_is_accounted_for(size: Size) -> None:
    assert sum(size.objects.values()) == size.loaded
    assert list(size.symbols)[:2] == ["big", "table"]
    assert set(size.objects) >= {PADDING, APPLICATION}


def test_without_the_archive_objects_are_unknown(built: Path) -> None:
    assert set(measure_size(built / "vmlinux", None).objects) == {PADDING, APPLICATION, UNKNOWN}


def test_a_stripped_vmlinux_is_refused(built: Path, tmp_path: Path) -> None:
    command.run(["strip", "-o", tmp_path / "vmlinux", built / "vmlinux"])
    with pytest.raises(BuildError, match="has no symbols"):
        measure_size(tmp_path / "vmlinux", None)


def test_differences_are_largest_first() -> None:
    assert differences({"a": 10, "b": 5, "c": 1}, {"a": 12, "b": 5, "d": 9}) == (
        ("d", 0, 9),
        ("a", 10, 12),
        ("c", 1, 0),
    )


def test_a_name_that_two_objects_have_goes_with_its_neighbours() -> None:
    symbols = [Symbol(0, 4, "T", "a"), Symbol(4, 8, "t", "init"), Symbol(12, 4, "T", "b"), Symbol(16, 8, "t", "init")]
    homes = {("a", 4): ("a.o",), ("b", 4): ("b.o",), ("init", 8): ("a.o", "b.o")}
    assert [home for _, home in with_homes(symbols, homes)] == ["a.o", "a.o", "b.o", "b.o"]
    assert [home for _, home in with_homes(symbols[:1], {})] == [UNKNOWN]
