# SPDX-License-Identifier: GPL-2.0-only
"""Stacks that have been swapped out when they are needed: by system calls in all forms, and by signals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop
from unilinux.machine.spec import Disk

SWAP = alone.Guest(name="swap", sources=("alone/word.h", "gate.h", "guest.h"), memory_mib=96)
_DISK_BYTES = 256 << 20
_CASES = alone.cases("swap")
_ONLY_WITH_SWAP = ("by_pressure", "thrashing")

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]

ENTRIES = [pytest.param((3, "trap"), id="ring3-trap"), pytest.param((0, "lean"), id="ring0-lean")]


@pytest.fixture(scope="module", params=ENTRIES)
def dropped(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What each case said of stacks that are not mapped at the moment."""
    ring, syscall = request.param
    image = alone.build(workshop, SWAP, ring=ring, syscall=syscall)
    lines, _ = alone.run(image, tmp_path_factory.mktemp("drop"), "how=drop", timeout_s=600)
    return alone.reports(lines)


@pytest.fixture(scope="module", params=ENTRIES)
def swapped(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What each case said of stacks that are on a disk."""
    ring, syscall = request.param
    folder = tmp_path_factory.mktemp("swap")
    disk = _sparse_disk(folder / "swap.raw")
    image = alone.build(workshop, SWAP, profile="attack-swap", ring=ring, syscall=syscall, disks=(disk,))
    lines, _ = alone.run(image, folder, timeout_s=1500)
    return alone.reports(lines)


def _sparse_disk(path: Path) -> Disk:
    with path.open("wb") as file:
        file.truncate(_DISK_BYTES)
    return Disk(path=path)


@pytest.mark.parametrize("case", [case for case in _CASES if case not in _ONLY_WITH_SWAP])
def test_stack_not_mapped(dropped: dict[str, str], case: str) -> None:
    assert dropped.get(case, "never reported").startswith("pass"), dropped.get(case)


@pytest.mark.slow  # a kernel of its own, which takes minutes to compile, for each ring
@pytest.mark.parametrize("case", _CASES)
def test_stack_on_disk(swapped: dict[str, str], case: str) -> None:
    assert swapped.get(case, "never reported").startswith("pass"), swapped.get(case)
