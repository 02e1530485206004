# SPDX-License-Identifier: GPL-2.0-only
"""The search: what can be removed, and which values make the kernel smaller. It knows no kernel, only results.

Each build is expensive and each change may touch all objects, so everything is tried at
once: the values that make it smaller, and without all symbols that
have no evidence of use. A group that fails is tried in halves, down to single changes. A symbol that
failed is tried again after others have gone, until a whole round finds nothing more
to take away: then no single symbol can be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from unilinux.minimise.candidates import Move, Option
from unilinux.minimise.result import TrialResult, Trials

# What begins at round addresses moves: what differs by less is no gain or loss.
NOISE_BYTES = 512


class _OutOfTimeError(Exception):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """The smallest configuration found.

    ``changes`` count from the original; ``taken`` are the moves and options that they
    came from, with words about the gain, ``stays`` symbols that can't go, with the
    reason. ``minimal`` says that no single symbol can be removed; else time ran out
    and ``untried`` are those that were not tried in this configuration.
    """

    changes: Mapping[str, str]
    result: TrialResult
    taken: Mapping[str, str]
    stays: Mapping[str, str]
    minimal: bool
    untried: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
    result: TrialResult
    changes: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    stays: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)  # by symbol the configuration that it was tried in
    words: dict[str, str] = field(default_factory=dict)  # what to say of values that are taken
    for_bytes: set[str] = field(default_factory=set)  # values that are no gain for the same bytes


def shrink(
    trials: Trials,
    baseline: TrialResult,
    removals: Sequence[Move],
    options: Sequence[Option],
    *,
    out_of_time: Callable[[], bool],
    used: Collection[str] = (),
) -> Shrunk:
    """Search until no single symbol can be removed, or until ``out_of_time``.

    ``used`` are symbols with evidence of use: they aren't taken away in groups with the
    others, so that the others can go at once.

    :raise HostError: the host failed, not a configuration.
    """
    search = _Search(trials, out_of_time)
    state = _State(baseline)
    try:
        early, late = [o for o in options if not o.late], [o for o in options if o.late]
        state.words = {o.moves[0].name: f"{_words(o.moves[0])}: {o.why}" for o in early}
        state.for_bytes = {option.moves[0].name for option in early if not option.at_run_time}
        firsts = [option.moves[0] for option in early]
        search.change(state, [*firsts, *(move for move in removals if move.name not in used)])
        for option in early:
            search.decide(state, option)
        search.remove_singly(state, [move for move in removals if move.name in used])
        search.rounds(state, removals)
        for option in late:
            search.decide(state, option)
    except _OutOfTimeError:
        return _result(state, trials, removals, options, minimal=False)
    return _result(state, trials, removals, options, minimal=True)


def _result(
    state: _State, trials: Trials, removals: Sequence[Move], options: Sequence[Option], *, minimal: bool
) -> Shrunk:
    untried: tuple[str, ...] = ()
    if not minimal:
        here = trials.effect(state.changes)
        undecided = [option.name for option in options if option.name not in (*state.taken, *state.stays)]
        open_still = [
            move.name
            for move in removals
            if state.settled.get(move.name) != here and trials.effect({**state.changes, **move.changes}) != here
        ]
        untried = (*undecided, *open_still)
    return Shrunk(
        changes=dict(state.changes),
        result=state.result,
        taken=dict(state.taken),
        stays={name: why for name, why in state.stays.items() if name not in state.taken},
        minimal=minimal,
        untried=untried,
    )


class _Search:
    def __init__(self, trials: Trials, out_of_time: Callable[[], bool]) -> None:
        self._trials = trials
        self._out_of_time = out_of_time

    def decide(self, state: _State, option: Option) -> None:
        """Take the option's value with the smallest image, if it is smaller than what there is."""
        if len(option.moves) == 1 and option.name in (*state.taken, *state.stays):
            return
        best: tuple[TrialResult, Move] | None = None
        reasons = []
        here = self._trials.effect(state.changes)
        for move in option.moves:
            changes = {**state.changes, **move.changes}
            refusal = self._trials.refused(changes, move.name)
            if refusal or self._trials.effect(changes) == here:
                reasons.append(refusal or f"{move.name} is so already")
                continue
            result = self._attempt(changes, _words(move))
            against = best[0] if best else state.result
            loss = "" if not result.ok else _loss(against, result, at_run_time=option.at_run_time and best is None)
            if result.ok and not loss:
                best = (result, move)
            else:
                reasons.append(f"{_words(move)}: {result.reason or loss}")
        if best is None:
            state.stays[option.name] = "; ".join(reasons)
        else:
            result, move = best
            words = f"{_words(move)}: {option.why}"
            self._accept(state, result, move.changes, dict.fromkeys((option.name, *move.changes), words), alone=True)

    def change(self, state: _State, moves: Sequence[Move]) -> None:
        """Make as many of these changes as go, in as large groups as possible."""
        moves = self._effective(state, moves)
        if not moves:
            return
        changes = _with(state, moves)
        result = self._attempt(changes, _group_words(moves))
        same_will_do = len(moves) > 1 or moves[0].name not in state.for_bytes
        loss = _loss(state.result, result, at_run_time=same_will_do) if result.ok else result.reason
        if not loss:
            self._accept(state, result, changes, _told(moves, state.words), alone=len(moves) == 1)
        elif len(moves) == 1:
            state.stays[moves[0].name] = loss
            state.settled[moves[0].name] = self._trials.effect(state.changes)
        else:
            middle = len(moves) // 2
            self.change(state, moves[:middle])
            self.change(state, moves[middle:])

    def remove_singly(self, state: _State, moves: Sequence[Move]) -> None:
        """One after the other: nothing is hoped for from a group."""
        for move in moves:
            if state.settled.get(move.name) != self._trials.effect(state.changes):
                self.change(state, [move])

    def rounds(self, state: _State, moves: Sequence[Move]) -> None:
        """Try what stayed again, singly, until nothing goes any more."""
        while True:
            before = self._trials.effect(state.changes)
            self.remove_singly(state, moves)
            if self._trials.effect(state.changes) == before:
                return

    def _effective(self, state: _State, moves: Sequence[Move]) -> list[Move]:
        """Those that would change something and that Kconfig allows by themselves or with the others."""
        here = self._trials.effect(state.changes)
        together = _with(state, moves)
        found = []
        for move in moves:
            refusal = self._trials.refused(together, move.name)
            if refusal:
                state.stays[move.name] = refusal
                state.settled[move.name] = here
            elif self._trials.effect({**state.changes, **move.changes}) == here and len(moves) == 1:
                state.settled[move.name] = here  # it went with something else
            else:
                found.append(move)
        if len(found) > 1 and self._trials.effect(_with(state, found)) == here:
            return []
        return found

    def _attempt(self, changes: Mapping[str, str], label: str) -> TrialResult:
        if self._out_of_time():
            raise _OutOfTimeError
        return self._trials.attempt(changes, label)

    def _accept(
        self, state: _State, result: TrialResult, changes: Mapping[str, str], taken: Mapping[str, str], *, alone: bool
    ) -> None:
        gain = _gain(state.result.loaded, result.loaded)
        state.taken.update({name: f"{words}{gain if alone else ''}" for name, words in taken.items()})
        state.changes.update(changes)
        state.result = result


def _told(moves: Sequence[Move], words: Mapping[str, str]) -> dict[str, str]:
    """What to say of each symbol that these moves change."""
    return {symbol: words.get(move.name, "taken away") for move in moves for symbol in move.changes}


def _with(state: _State, moves: Sequence[Move]) -> dict[str, str]:
    return {**state.changes, **{symbol: value for move in moves for symbol, value in move.changes.items()}}


def _loss(before: TrialResult, after: TrialResult, *, at_run_time: bool) -> str:
    """Why the second isn't better, empty if it is; ``at_run_time``: as good in bytes is enough."""
    assert before.loaded is not None
    assert after.loaded is not None
    grown = after.loaded - before.loaded
    least = NOISE_BYTES if at_run_time else 0
    return "" if grown < least or (at_run_time and grown == least) else f"saves nothing: {grown:+,} bytes"


def _gain(before: int | None, after: int | None) -> str:
    return "" if before is None or after is None else f" ({after - before:+,} bytes)"


def _words(move: Move) -> str:
    return f"{move.name}={move.changes[move.name]}"


def _group_words(moves: Sequence[Move]) -> str:
    return " ".join(map(_words, moves[:4])) + (f" and {len(moves) - 4} more" if len(moves) > 4 else "")
