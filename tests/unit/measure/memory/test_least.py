# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest

from unilinux.core.errors import VerifyError
from unilinux.measure.memory.least import least_memory, least_memory_near


def needs(mib: int) -> dict[int, str | None]:
    return {size: None if size >= mib else f"out of memory at {size}" for size in range(1, 300)}


@pytest.mark.parametrize("least", [8, 9, 13, 64, 127, 128])
def test_the_least_is_found_and_what_fails_below_is_told(least: int) -> None:
    answer = least_memory(needs(least).__getitem__, low=8, high=128)
    assert answer.mib == least
    assert answer.below == (f"out of memory at {least - 1}" if least > 8 else None)
    assert len(answer.tries) <= 8


def test_it_is_said_in_words_and_as_data() -> None:
    answer = least_memory(needs(13).__getitem__, low=8, high=16)
    assert answer.explain() == "13 MiB is enough; with 12 MiB: out of memory at 12"
    document = answer.document()
    assert document["least_memory_mib"] == 13
    assert document["tries"][0] == {"memory_mib": 16, "ok": True, "failure": None}


def test_one_size_only() -> None:
    answer = least_memory(needs(1).__getitem__, low=8, high=8)
    assert (answer.mib, answer.explain()) == (8, "8 MiB is enough")


def test_an_application_that_fails_with_the_most_is_no_case_for_bisection() -> None:
    with pytest.raises(VerifyError, match="fails with 128 MiB already: out of memory at 128"):
        least_memory(needs(200).__getitem__, low=8, high=128)


def test_low_above_high_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="64 MiB is more than 32 MiB"):
        least_memory(needs(1).__getitem__, low=64, high=32)


@pytest.mark.parametrize("least", [8, 9, 19, 20, 21, 22, 40, 127, 128])
@pytest.mark.parametrize("guess", [1, 8, 20, 128, 500])
def test_from_any_guess_the_same_is_found(least: int, guess: int) -> None:
    answer = least_memory_near(needs(least).__getitem__, guess=guess, low=8, high=128)
    assert answer.mib == least
    assert answer.below == (f"out of memory at {least - 1}" if least > 8 else None)
    assert len({size for size, _ in answer.tries}) == len(answer.tries) <= 14


def test_a_good_guess_takes_two_tries() -> None:
    assert [size for size, _ in least_memory_near(needs(20).__getitem__, guess=20, low=8, high=128).tries] == [20, 19]


def test_no_guess_helps_an_application_that_fails_with_the_most() -> None:
    with pytest.raises(VerifyError, match="fails with 128 MiB already"):
        least_memory_near(needs(200).__getitem__, guess=20, low=8, high=128)
