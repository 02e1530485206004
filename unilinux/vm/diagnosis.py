"""What a console says about how a machine ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Sequence

from unilinux.vm.outcome import End, Exited, OutOfMemory, Panic, Signalled

PANIC = re.compile(r"Kernel panic - not syncing: (?P<text>.+)")

# Ways in which Linux 6.12 says that there is not enough memory: unpacking the
# initramfs, starting PID 1 (-12 is ENOMEM), allocating at boot, and later on.
_NO_MEMORY = re.compile(
    r"Out of memory"
    r"|System is deadlocked on memory"
    r"|Initramfs unpacking failed: write error"
    r"|\(error -12\)"
    r"|[Cc]annot allocate memory"
    r"|page allocation failure"
    r"|(failed|unable) to allocate",
    re.IGNORECASE,
)
_EXIT_REPORT = re.compile(r"^(?P<kind>exit|signal) (?P<number>\d+)$", re.MULTILINE)
_KERNEL_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def read_report(text: str) -> tuple[str, int] | None:
    """``("exit", status)`` or ``("signal", number)`` as the kernel wrote it to the report port."""
    match = _EXIT_REPORT.search(text)
    return None if match is None else (match["kind"], int(match["number"]))


def lack_of_memory(lines: Iterable[str]) -> str | None:
    """The first line that says that the guest has too little memory."""
    found = next((line for line in lines if _NO_MEMORY.search(line)), None)
    return None if found is None else _KERNEL_STAMP.sub("", found)


def panic_text(lines: Iterable[str]) -> str | None:
    """What the kernel panicked about."""
    return next((match["text"].strip() for line in lines if (match := PANIC.search(line))), None)


def judge(report: str, lines: Sequence[str], memory_mib: int) -> End | None:
    """How a machine with that much memory ended, from its report and its console; None if they don't tell.

    An application that says that it lacks memory and exits has exited. One that
    the kernel killed for want of memory has not just got a signal.
    """
    shortage = lack_of_memory(lines)
    match read_report(report):
        case ("exit", status):
            return Exited(status)
        case ("signal", number) if number != signal.SIGKILL or shortage is None:
            return Signalled(number)
    if shortage is not None:
        return OutOfMemory(memory_mib, shortage)
    panic = panic_text(lines)
    return None if panic is None else Panic(panic)
