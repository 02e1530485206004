# SPDX-License-Identifier: GPL-2.0-only
"""The same random system calls in ring 3 and in ring 0, by SYSCALL and by all forms of the gate: the same outcomes."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import cache

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop
from unilinux.image.record import Image
from unilinux.vm.outcome import Exited

FUZZ = alone.Guest(name="fuzz", sources=("alone/grammar.h", "alone/word.h", "gate.h", "guest.h"))
CONTROL, ATTACKED = (3, "trap"), (0, "lean")

# Seed and number of calls; the first ones are for each run of the tests.
RUNS = [(1, 2000), *(pytest.param(seed, 5000, marks=pytest.mark.slow) for seed in range(2, 22))]

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

Images = Callable[[int, str], Image]


@pytest.fixture(scope="module")
def images(workshop: Workshop) -> Images:
    return cache(lambda ring, syscall: alone.build(workshop, FUZZ, ring=ring, syscall=syscall))


@pytest.fixture
def outcomes(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[list[str], set[str]]]:
    def run(ring: int, syscall: str, seed: int, count: int) -> tuple[list[str], set[str]]:
        """What each call came to, and the forms of the gate that were used."""
        evidence = tmp_path_factory.mktemp(f"fuzz-ring{ring}-{seed}")
        image = images(ring, syscall)
        lines, end = alone.run(image, evidence, f"seed={seed}", f"count={count}", timeout_s=900)
        assert isinstance(end, Exited), f"{end.explain()}; {evidence}"
        assert end.status == 0
        assert any(line.startswith(f"ring {ring} ") for line in lines)
        calls = [line.partition(" # ") for line in lines if line.startswith("fuzz ")]
        assert len(calls) >= count
        return [call for call, _, _ in calls], {form for _, _, form in calls}

    return run


@pytest.mark.parametrize(("seed", "count"), RUNS)
def test_same_outcomes(outcomes: Callable[..., tuple[list[str], set[str]]], seed: int, count: int) -> None:
    expected, by_syscall = outcomes(*CONTROL, seed, count)
    found, by_gate = outcomes(*ATTACKED, seed, count)
    assert by_syscall == {"trap"}
    assert by_gate == {"trap", "call", "call_reg", "call_nr", "jmp"}
    different = list(difflib.unified_diff(expected, found, "ring 3", "ring 0", n=2, lineterm=""))
    assert not different, "\n".join(different)


def test_same_seed_same_outcomes(outcomes: Callable[..., tuple[list[str], set[str]]]) -> None:
    """Without this the comparison above would mean nothing."""
    assert outcomes(*CONTROL, 1, 1000) == outcomes(*CONTROL, 1, 1000)
