# SPDX-License-Identifier: GPL-2.0-only
"""The least memory with which an image still passes its checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unilinux.core.errors import VerifyError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeastMemory:
    """The least ``-m`` in MiB that passes, and what fails with 1 MiB less.

    ``below`` is None when there is no smaller size to try. ``tries`` are all sizes that
    were tried, in order, with what failed (None: it passed).
    """

    mib: int
    below: str | None
    tries: tuple[tuple[int, str | None], ...]

    def explain(self) -> str:
        """One or two sentences."""
        text = f"{self.mib} MiB is enough"
        return f"{text}; with {self.mib - 1} MiB: {self.below}" if self.below else text

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "least_memory_mib": self.mib,
            "below": self.below,
            "tries": [{"memory_mib": size, "ok": failure is None, "failure": failure} for size, failure in self.tries],
        }


def least_memory(failure_at: Callable[[int], str | None], *, low: int, high: int) -> LeastMemory:
    """Bisect between ``low`` and ``high`` MiB, both included.

    ``failure_at`` verifies with that many MiB and says in words what failed, or None.
    It takes about log2(high - low) tries: it is assumed that more memory never hurts.

    :raise VerifyError: even ``high`` isn't enough.
    :raise ValueError: ``low`` is above ``high``.
    """
    if low > high:
        raise ValueError(f"{low} MiB is more than {high} MiB")
    tries: dict[int, str | None] = {}

    def fails(mib: int) -> bool:
        tries[mib] = failure_at(mib)
        return tries[mib] is not None

    if fails(high):
        raise VerifyError(
            f"verification fails with {high} MiB already: {tries[high]}",
            hint="see that it passes at all (./x verify), or begin with more memory",
        )
    enough, unknown_from = high, low
    while unknown_from < enough:
        middle = (unknown_from + enough) // 2
        if fails(middle):
            unknown_from = middle + 1
        else:
            enough = middle
    return LeastMemory(mib=enough, below=tries.get(enough - 1), tries=tuple(tries.items()))


def least_memory_near(failure_at: Callable[[int], str | None], *, guess: int, low: int, high: int) -> LeastMemory:
    """Like :func:`least_memory`, but begins at a guess: a good guess needs two tries.

    From the guess the steps double, down while it passes and up while it fails, until
    the answer is caught between two tries.

    :raise VerifyError: even ``high`` isn't enough.
    :raise ValueError: ``low`` is above ``high``.
    """
    tries: dict[int, str | None] = {}

    def failure(mib: int) -> str | None:
        if mib not in tries:
            tries[mib] = failure_at(mib)
        return tries[mib]

    at, step = min(max(guess, low), high), 1
    if failure(at) is None:
        enough, short = at, low - 1
        while enough > low and short < low:
            at, step = max(low, enough - step), 2 * step
            enough, short = (at, short) if failure(at) is None else (enough, at)
    else:
        enough, short = high, at
        while short < high:
            at, step = min(high, short + step), 2 * step
            if failure(at) is None:
                enough = at
                break
            short = at
    found = least_memory(failure, low=min(short + 1, enough), high=enough)
    return LeastMemory(mib=found.mib, below=tries.get(found.mib - 1), tries=tuple(tries.items()))
