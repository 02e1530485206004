# SPDX-License-Identifier: GPL-2.0-only
"""The search on a kernel that is a set of names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest

from unilinux.core.errors import HostError
from unilinux.minimise.candidates import Move, Option
from unilinux.minimise.result import TrialResult
from unilinux.minimise.shrink import Shrunk, shrink

ALL = tuple("ABCDEFGHIJ")
_BASE_BYTES = 100_000


class FakeTrials:
    """Symbols cost 1000 bytes each; ``works`` says whether a set of them does the job.

    ``selects`` maps a symbol to the one that it holds on, ``sizes`` a setting to the bytes that it adds.
    """

    def __init__(
        self,
        works: Callable[[Collection[str]], bool],
        *,
        selects: Mapping[str, str] | None = None,
        sizes: Mapping[tuple[str, str], int] | None = None,
        symbols: Collection[str] = ALL,
    ) -> None:
        self._works = works
        self._selects = selects or {}
        self._sizes = sizes or {}
        self._symbols = symbols
        self.tried: list[frozenset[str]] = []

    def on(self, changes: Mapping[str, str]) -> frozenset[str]:
        left = {name for name in self._symbols if changes.get(name) != "n"}
        return frozenset(left | {held for holder, held in self._selects.items() if holder in left})

    def effect(self, changes: Mapping[str, str]) -> str:
        values = sorted(pair for pair in changes.items() if pair in self._sizes)
        return f"{sorted(self.on(changes))} {values}"

    def refused(self, changes: Mapping[str, str], name: str) -> str:
        return "it is selected" if changes.get(name) == "n" and name in self.on(changes) else ""

    def attempt(self, changes: Mapping[str, str], label: str) -> TrialResult:
        on = self.on(changes)
        self.tried.append(on)
        size = _BASE_BYTES + 1000 * len(on) + sum(self._sizes.get(pair, 0) for pair in changes.items())
        ok = self._works(on)
        return TrialResult(ok=ok, reason="" if ok else "the check fails", loaded=size)

    def baseline(self) -> TrialResult:
        size = _BASE_BYTES + 1000 * len(self.on({}))
        return TrialResult(ok=True, loaded=size)


def removal(name: str) -> Move:
    return Move(name=name, changes={name: "n"})


def search(
    trials: FakeTrials,
    options: tuple[Option, ...] = (),
    *,
    used: Collection[str] = (),
    out_of_time: Callable[[], bool] = lambda: False,
) -> Shrunk:
    moves = tuple(map(removal, sorted(trials.on({}))))
    return shrink(trials, trials.baseline(), moves, options, out_of_time=out_of_time, used=used)


def needs(*names: str) -> Callable[[Collection[str]], bool]:
    return lambda on: set(names) <= set(on)


def test_what_is_needed_stays_with_its_reason() -> None:
    trials = FakeTrials(needs("C", "H"))
    found = search(trials)
    assert trials.on(found.changes) == {"C", "H"}
    assert found.stays == {"C": "the check fails", "H": "the check fails"}
    assert found.minimal
    assert found.untried == ()


def test_all_goes_in_one_trial_if_nothing_is_needed() -> None:
    trials = FakeTrials(needs())
    assert trials.on(search(trials).changes) == frozenset()
    assert len(trials.tried) == 1


def test_groups_save_trials() -> None:
    symbols = [f"S{number:02}" for number in range(64)]
    trials = FakeTrials(needs("S40"), symbols=symbols)
    assert trials.on(search(trials).changes) == {"S40"}
    assert len(trials.tried) < 20


def test_used_symbols_do_not_spoil_the_group() -> None:
    trials = FakeTrials(needs("C", "H"))
    search(trials, used={"C", "H"})
    assert trials.tried[0] == {"C", "H"}
    assert len(trials.tried) == 3  # all the others at once, then each of the two


def test_one_of_two_is_enough_and_no_single_symbol_can_go() -> None:
    trials = FakeTrials(lambda on: "A" in on or "J" in on)
    found = search(trials)
    left = trials.on(found.changes)
    assert len(left) == 1
    assert left <= {"A", "J"}
    assert all(not trials._works(left - {name}) for name in left)


def test_a_symbol_that_only_goes_after_another_one() -> None:
    # A kernel with B but without A fails; alone, A can't go.
    trials = FakeTrials(lambda on: "B" not in on or "A" in on, symbols="AB")
    assert trials.on(search(trials, used={"A", "B"}).changes) == frozenset()


def test_what_is_selected_is_not_tried_and_goes_with_its_selector() -> None:
    trials = FakeTrials(needs("C"), selects={"A": "B"}, symbols="ABC")
    assert trials.on(search(trials).changes) == {"C"}
    held = FakeTrials(needs("A"), selects={"A": "B"}, symbols="ABC")
    found = search(held)
    assert held.on(found.changes) == {"A", "B"}
    assert found.stays["B"] == "it is selected"


@pytest.mark.parametrize(
    "work", [needs("C"), needs("A", "E", "I"), lambda on: len(on) >= 4], ids=["one", "three", "any four"]
)
def test_the_result_is_minimal(work: Callable[[Collection[str]], bool]) -> None:
    trials = FakeTrials(work)
    found = search(trials)
    left = trials.on(found.changes)
    assert work(left)
    assert not any(work(left - {name}) for name in left)


def test_values_and_symbols_are_tried_at_once() -> None:
    trials = FakeTrials(needs(), sizes={("TINY", "y"): -3000})
    found = search(trials, (option("TINY", "y"),))
    assert len(trials.tried) == 1
    assert found.taken["TINY"] == "TINY=y: it is smaller"
    assert found.taken["A"] == "taken away"


def test_what_fails_easily_is_tried_late_and_by_itself() -> None:
    trials = FakeTrials(needs("LOG"), symbols=("A", "B", "LOG"))
    late = Option(name="LOG", moves=(removal("LOG"),), why="it is smaller", late=True)
    moves = (removal("A"), removal("B"))
    found = shrink(trials, trials.baseline(), moves, (late,), out_of_time=lambda: False)
    assert trials.tried == [frozenset({"LOG"}), frozenset()]
    assert found.stays["LOG"] == "LOG=n: the check fails"


def option(name: str, *values: str, at_run_time: bool = False) -> Option:
    moves = tuple(Move(name=name, changes={name: value}) for value in values)
    return Option(name=name, moves=moves, why="it is smaller", at_run_time=at_run_time)


def test_the_smallest_value_is_taken() -> None:
    sizes = {("SLAB_SMALL", "y"): -5000, ("SLAB_TINY", "y"): -9000, ("SLAB_LARGE", "y"): 700}
    names = ("SLAB_SMALL", "SLAB_TINY", "SLAB_LARGE")
    moves = tuple(Move(name=name, changes={name: "y"}) for name in names)
    trials = FakeTrials(needs("A"), sizes=sizes)
    found = search(trials, (Option(name="SLAB", moves=moves, why="allocator", late=True),))
    assert found.changes["SLAB_TINY"] == "y"
    assert "SLAB_LARGE" not in found.changes
    assert found.taken["SLAB"] == "SLAB_TINY=y: allocator (-9,000 bytes)"


def test_a_value_that_makes_it_larger_is_not_taken() -> None:
    trials = FakeTrials(needs("A"), sizes={("FAST", "y"): 4000})
    found = search(trials, (option("FAST", "y"),))
    assert "FAST" not in found.changes
    assert found.stays["FAST"] == "saves nothing: +4,000 bytes"


def test_a_value_that_saves_memory_at_run_time_is_taken_for_the_same_bytes() -> None:
    sizes = {("LOG", "12"): 0}
    for at_run_time in (True, False):
        found = search(FakeTrials(needs(*ALL), sizes=sizes), (option("LOG", "12", at_run_time=at_run_time),), used=ALL)
        assert ("LOG" in found.changes) == at_run_time


def test_values_are_tried_together_first() -> None:
    sizes = {("TINY", "y"): -3000, ("SMALL", "y"): -2000}
    trials = FakeTrials(needs(*ALL), sizes=sizes)
    found = search(trials, (option("TINY", "y"), option("SMALL", "y")), used=ALL)
    assert found.changes == {"TINY": "y", "SMALL": "y"}
    assert len(trials.tried) == 1 + len(ALL)  # both at once, then each symbol


def test_values_that_fail_together_are_tried_one_by_one() -> None:
    sizes = {("TINY", "y"): -3000, ("SMALL", "y"): 9000}
    trials = FakeTrials(needs(*ALL), sizes=sizes)
    found = search(trials, (option("TINY", "y"), option("SMALL", "y")), used=ALL)
    assert found.changes == {"TINY": "y"}
    assert found.stays["SMALL"].startswith("saves nothing")


def test_a_symbol_whose_removal_makes_the_image_larger_stays() -> None:
    trials = FakeTrials(needs(), sizes={("A", "n"): 5000}, symbols="A")
    found = search(trials)
    assert found.stays["A"] == "saves nothing: +4,000 bytes"


def test_time_that_is_up_gives_the_best_so_far_and_what_was_not_tried() -> None:
    trials = FakeTrials(needs("A", "F"))
    found = search(trials, out_of_time=lambda: len(trials.tried) >= 6)
    assert len(trials.tried) == 6
    assert not found.minimal
    assert found.untried
    assert found.result.ok
    assert {"A", "F"} <= trials.on(found.changes) < set(ALL)


def test_no_time_at_all_changes_nothing() -> None:
    trials = FakeTrials(needs("A"), sizes={("LOG", "12"): -1000})
    found = search(trials, (option("LOG", "12"),), out_of_time=lambda: True)
    assert (dict(found.changes), found.minimal, trials.tried) == ({}, False, [])
    assert {"LOG", *ALL} == set(found.untried)


def test_a_failure_of_the_host_is_no_verdict() -> None:
    class Full(FakeTrials):
        def attempt(self, changes: Mapping[str, str], label: str) -> TrialResult:
            raise HostError("no space")

    with pytest.raises(HostError):
        search(Full(needs("A")))
