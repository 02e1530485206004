"""Stacks that have been swapped out when they are needed: by system calls in all forms, and by signals."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop
from unilinux.machine.spec import Disk

SWAP = alone.Guest(name="swap", memory_mib=96)
_DISK_BYTES = 256 << 20

# A kernel of its own, which takes minutes to compile, for each ring
pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module", params=[(3, "trap"), (0, "lean")], ids=["ring3-trap", "ring0-lean"])
def said(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What each case said."""
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


@pytest.mark.parametrize("case", alone.cases("swap"))
def test_case(said: dict[str, str], case: str) -> None:
    assert said.get(case, "never reported").startswith("pass"), said.get(case)
