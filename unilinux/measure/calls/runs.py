# SPDX-License-Identifier: GPL-2.0-only
"""What the application ``ladder`` measured: boots of it, and its lines on the console."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unilinux.core.errors import VerifyError, VmError
from unilinux.measure.boot.boots import booted
from unilinux.measure.calls.ladder import CALLS, RUNGS, CallCost, Rung, Spread
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

_ENTRY = re.compile(r"^ladder: ring (?P<ring>\d), entry (?P<entry>\w+)$")
_CALL = re.compile(r"^ladder: (?P<call>\w+): (?P<count>\d+) calls, (?P<ns>-?\d+) ns$")
_DONE = "ladder: done"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRun:
    """One boot: the ring and the entry that the application found, and the time (ns) of one call by its name."""

    ring: int
    entry: str
    times_ns: Mapping[str, float]

    def require(self, rung: Rung) -> None:
        """Check that it ran on ``rung``.

        :raise VerifyError: it didn't.
        """
        if (self.ring, self.entry) != (rung.ring, rung.syscall):
            raise VerifyError(
                f"the image for {rung.name} ran in ring {self.ring} with system calls by {self.entry}",
                hint="is the kernel's series of patches complete? ./x patches.check",
            )


def read_calls(lines: Iterable[str]) -> CallRun:
    """Read what the application wrote.

    :raise VmError: a call is missing or unknown, or it didn't come to its end.
    """
    ring, entry, is_done = -1, "", False
    times: dict[str, float] = {}
    for line in lines:
        if found := _ENTRY.match(line):
            ring, entry = int(found["ring"]), found["entry"]
        elif found := _CALL.match(line):
            times[found["call"]] = int(found["ns"]) / int(found["count"])
        elif line.startswith("ladder: ") and line != _DONE:
            raise VmError(f"the application failed: {line}")
        is_done = is_done or line == _DONE
    missing = sorted(CALLS.keys() ^ times.keys())
    if not is_done or not entry or missing:
        raise VmError(f"the application did not measure what it should: {', '.join(missing) or 'no end'}")
    return CallRun(ring=ring, entry=entry, times_ns=times)


def counted_calls(boot: Boot, engine: Engine, *, timeout_s: float) -> CallRun:
    """Boot with a clock that counts instructions: each ns of the answer is one.

    :raise BootError: the machine didn't end as it should.
    :raise VmError: what it wrote is incomplete.
    """
    runs: list[CallRun] = []
    booted(boot, engine, lambda vm: runs.append(_run_of(vm, timeout_s)))(None)
    return runs[0]


def timed_calls(boot: Boot, engine: Engine, *, timeout_s: float) -> CallRun:
    """Boot with the host's clock; raises the same as :func:`counted_calls`."""
    with Vm.start(boot, engine) as vm:
        return _run_of(vm, timeout_s)


def call_costs(
    counted: Mapping[str, CallRun], timed: Sequence[Mapping[str, CallRun]]
) -> dict[str, dict[str, CallCost]]:
    """Costs by call and rung. ``counted`` is one boot of each rung, ``timed`` are rounds of one boot each."""
    return {
        call: {
            rung.name: CallCost(
                instructions=counted[rung.name].times_ns[call],
                time_ns=_time([one[rung.name].times_ns[call] for one in timed]),
            )
            for rung in RUNGS
        }
        for call in CALLS
    }


def _run_of(vm: Vm, timeout_s: float) -> CallRun:
    outcome = vm.wait(timeout_s=timeout_s)
    if outcome != Exited(0):
        raise vm.failure(outcome)
    return read_calls(line.text for line in vm.console.lines())


def _time(values: Sequence[float]) -> Spread | None:
    # 0 or less: without a steady counter of the host, the guest's clock is as coarse as its timer.
    return Spread.of(values) if values and min(values) > 0 else None
