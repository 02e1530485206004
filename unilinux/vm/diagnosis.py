# SPDX-License-Identifier: GPL-2.0-only
"""How a machine ended: from what the kernel reported, and from its console where it reported nothing."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from unilinux.vm.outcome import (
    End,
    Exited,
    InitFailed,
    Lost,
    Outcome,
    OutOfMemory,
    Panic,
    Signalled,
    Stopped,
    Timeout,
)
from unilinux.vm.report import Report

_STAMP = r"(?:\[ *\d+\.\d+\] )?"
# Behind an unfinished line of the application there is a stamp at least.
_PANIC = re.compile(r"(?:^|\[ *\d+\.\d+\] )Kernel panic - not syncing: (?P<text>.+)")

# A kernel without our patches panics when PID 1 ends; unless that was by SIGKILL, not for want of memory.
_PID1_ENDED = re.compile(r"Attempted to kill init! exitcode=0x(?!00000009)")

# Ways in which Linux says that there is not enough memory: unpacking the initramfs,
# starting PID 1 (-12 is ENOMEM), allocating at boot, and later on.
_NO_MEMORY = re.compile(
    rf"^{_STAMP}Out of memory"
    r"|System is deadlocked on memory"
    r"|Initramfs unpacking failed: write error"
    r"|\berror:? -12\b"
    r"|\breturned -12\b"
    r"|cannot allocate\b"
    r"|page allocation failure"
    r"|(failed|unable) to (allocate|create slab)"
    r"|\ballocation .*\bfailed\b"
    r"|not enough memory"
    r"|Real mode trampoline was not allocated",
    re.IGNORECASE,
)
_KERNEL_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")

# The kernel's, when PID 1 has ended; more of its lines may follow.
_LAST_WORDS = re.compile(rf"^{_STAMP}unilinux: init (exited|killed) ")
_INIT_COMPLAINT = re.compile(r"^unilinux: (?P<text>cannot .+)")
# Init's exit statuses: something before the application failed, it can't be executed, it isn't there.
_INIT_STATUSES = (125, 126, 127)

# Why QEMU says that it ended.
_LOST_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "guest-reset": "the guest restarted without saying why (a crash before there was a console, perhaps)",
        "guest-shutdown": "the guest powered off without an exit status (is the kernel built with UNILINUX_EXIT?)",
        "host-signal": "QEMU was ended by a signal",
        "host-qmp-quit": "QEMU was told to quit",
    }
)

# What QEMU prints before it stops a machine: "KVM internal error. Suberror: 1", "emulation failure",
# "KVM: entry failed, hardware error 0x80000021", "error: kvm run failed Bad address".
_STOP_CAUSE = re.compile(r"^(KVM\b|emulation failure|error: kvm run failed)", re.IGNORECASE)

_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"Address family not supported", re.IGNORECASE),
        'the kernel lacks that kind of socket: for addresses like [::] add IPV6 = "y" to [kernel] of app.toml',
    ),
)


def hint_for(outcome: Outcome, lines: Sequence[str]) -> str | None:
    """What to do about an unwelcome outcome, or what it may come from, where the console tells."""
    if isinstance(outcome, OutOfMemory):
        return f"give it more: --memory {2 * outcome.memory_mib}"
    if isinstance(outcome, Stopped) and "kvm" in outcome.text.lower():
        return "KVM does not get on with this guest; without KVM: --accel tcg"
    if (shortage := lack_of_memory(lines)) is not None:
        return f"too little memory, perhaps: the console says {shortage!r}"
    if isinstance(outcome, Timeout | Lost) and (panic := panic_text(lines)) is not None:
        return f"the console says that the kernel panicked: {panic!r}"
    return next((hint for line in lines for pattern, hint in _HINTS if pattern.search(line)), None)


def lack_of_memory(lines: Iterable[str]) -> str | None:
    """The first line that says that the guest has too little memory."""
    found = next((line for line in lines if _NO_MEMORY.search(line)), None)
    return None if found is None else _KERNEL_STAMP.sub("", found)


def panic_text(lines: Iterable[str]) -> str | None:
    """What the kernel panicked about, if a console tells of a panic."""
    return next((match["text"].strip() for line in lines if (match := _PANIC.search(line))), None)


def judge(report: Report, lines: Sequence[str], memory_mib: int, *, restarted: bool = True) -> End | None:
    """How a machine with that much memory ended, from its report and its console; None if they don't tell.

    How PID 1 ended is what the kernel reported, whatever else was said. The console is believed
    as long as nobody but the kernel could write there: only if it never reported ``init``, and
    then only if the guest ``restarted``, as a kernel does that panics.

    An application that says that it lacks memory and exits has exited. One that
    the kernel killed for want of memory has not just got a signal.
    """
    shortage, panic = report.shortage, report.panic
    if panic is not None:
        shortage = shortage or lack_of_memory([panic])
    if not report.has_init:
        panic = panic or panic_text(lines)
        if panic is None or not _PID1_ENDED.search(panic):
            shortage = shortage or lack_of_memory(lines)
    match report.end:
        case ("exit", status):
            failure = _init_failure(report, lines) if status in _INIT_STATUSES else None
            return Exited(status) if failure is None else InitFailed(status, failure)
        case ("signal", number) if number != signal.SIGKILL or shortage is None:
            return Signalled(number)
        case None if not (report.panic or report.shortage or restarted):
            return None
    if shortage is not None:
        return OutOfMemory(memory_mib, shortage)
    return None if panic is None else Panic(panic)


def _init_failure(report: Report, lines: Sequence[str]) -> str | None:
    """What init complained about; None if it had become the application."""
    if report.started is not None:
        return None
    ends = [number for number, line in enumerate(lines) if _LAST_WORDS.match(line)]
    own = [line for line in lines[: ends[-1] if ends else None] if line.strip() and not _KERNEL_STAMP.match(line)]
    complaints = [found["text"] for line in own if (found := _INIT_COMPLAINT.match(line))]
    if report.has_init:
        return complaints[-1] if complaints else "it did not say why"
    # A kernel that doesn't report who runs: init has complained last, and then there was nobody else.
    found = _INIT_COMPLAINT.match(own[-1]) if own else None
    return None if found is None else found["text"]


def lost_reason(returncode: int | None, shutdown: str | None) -> str:
    """Why a machine is gone of which nobody knows how PID 1 ended.

    ``returncode`` is the engine's, None if it still runs; ``shutdown`` is the reason that QMP told.
    """
    if returncode is None:
        return "its console ended, but QEMU did not"
    if returncode < 0:
        return f"QEMU was killed by signal {-returncode}"
    return _LOST_REASONS.get(shutdown or "", f"QEMU ended with exit code {returncode}")


def stop_reason(complaints: Sequence[str]) -> str:
    """Why the engine stopped a machine, by what it wrote: its lines about KVM, else the last; empty without any."""
    causes = [line for line in complaints if _STOP_CAUSE.match(line)]
    return ", ".join(causes or complaints[-1:])
