# SPDX-License-Identifier: GPL-2.0-only
"""The ladder: what system calls cost by the application's way into the kernel, as plain values.

A rung is a ring and a kind of system call. Rungs are compared on the same kernel
configuration, by guest instructions (exact) and by the time that QEMU's
translator takes (of this host, with its spread).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A way into the kernel; ``ring`` and ``syscall`` are an image's options, ``label`` is for people."""

    name: str
    label: str
    ring: int
    syscall: str


GROUND = Rung(name="ring3_trap", label="ring 3, SYSCALL", ring=3, syscall="trap")
RUNGS = (
    GROUND,
    Rung(name="ring0_trap", label="ring 0, SYSCALL", ring=0, syscall="trap"),
    Rung(name="gate", label="ring 0, gate", ring=0, syscall="gate"),
    Rung(name="lean", label="ring 0, lean gate", ring=0, syscall="lean"),
)

# The application of the catalogue that makes these calls.
APP = "ladder"
# What it measures, in its order, and what one call of each does.
CALLS: Mapping[str, str] = {
    "getppid": "getppid",
    "getppid_libc": "getppid, by libc's function",
    "read": "read 1 B of /dev/zero",
    "read_libc": "the same, by libc's function",
    "write": "write 1 B to /dev/null",
    "write_libc": "the same, by libc's function",
    "clock_gettime": "clock_gettime, system call",
    "clock_gettime_vdso": "clock_gettime, vDSO",
    "futex_wake": "futex wake, nobody waits",
    "epoll_wait": "epoll_wait(0), nothing ready",
    "socketpair": "send + recv 1 B, socket pair",
    "tcp": "send + recv 1 B, TCP over loopback",
    "page_fault": "page fault, anonymous memory",
    "fork_exit": "fork + exit + wait",
    "context_switch": "context switch, through a pipe",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Several measurements of one thing: their median, and how far apart they are."""

    median: float
    least: float
    most: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        known = sorted(values)
        return cls(median=statistics.median(known), least=known[0], most=known[-1], runs=len(known))

    def overlaps(self, other: Spread) -> bool:
        """Whether the difference between the two may be chance."""
        return self.least <= other.most and other.least <= self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """One call on one rung. ``time_ns`` is None where the guest's clock is too coarse to tell."""

    instructions: float
    time_ns: Spread | None

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        time = self.time_ns
        return {
            "instructions": round(self.instructions, 1),
            "tcg_ns": None if time is None else round(time.median, 1),
            "tcg_ns_least": None if time is None else round(time.least, 1),
            "tcg_ns_most": None if time is None else round(time.most, 1),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A server with one client that sends one request after the other, on one rung."""

    requests: int
    per_minstr: Spread

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "requests_per_minstr": round(self.per_minstr.median, 3),
            "least": round(self.per_minstr.least, 3),
            "most": round(self.per_minstr.most, 3),
            "requests": self.requests,
            "runs": self.per_minstr.runs,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Everything measured: by call or application, then by the rung's name. Either may be empty."""

    kernel: str
    profile: str
    machine: str
    calls: Mapping[str, Mapping[str, CallCost]]
    throughput: Mapping[str, Mapping[str, Throughput]]

    def saved(self, call: str, rung: Rung) -> float:
        """The share of a call's instructions that a rung saves, compared with the ground; below 0 it costs more."""
        costs = self.calls[call]
        return 1 - costs[rung.name].instructions / costs[GROUND.name].instructions

    def gained(self, app: str, rung: Rung) -> float:
        """By which share a server answers more requests with the same instructions than on the ground."""
        known = self.throughput[app]
        return known[rung.name].per_minstr.median / known[GROUND.name].per_minstr.median - 1

    def document(self) -> dict[str, Any]:
        """Plain JSON data: ``calls.getppid.lean.instructions``, ``throughput.nginx.lean.requests_per_minstr``."""
        return {
            "kernel": self.kernel,
            "profile": self.profile,
            "machine": self.machine,
            "rungs": {rung.name: {"ring": rung.ring, "syscall": rung.syscall} for rung in RUNGS},
            "calls": {
                call: {rung: cost.document() for rung, cost in costs.items()} for call, costs in self.calls.items()
            },
            "throughput": {
                app: {rung: one.document() for rung, one in rungs.items()} for app, rungs in self.throughput.items()
            },
        }
