"""Consoles of machines that ended, as Linux 6.12 wrote them."""

from __future__ import annotations

import pytest

from unilinux.vm.diagnosis import judge
from unilinux.vm.outcome import Exited, OutOfMemory, Panic, Signalled

OUT_OF_MEMORY = (
    "[    0.648] Out of memory and no killable processes...",
    "[    0.660] Kernel panic - not syncing: System is deadlocked on memory",
    "[    0.660] Kernel Offset: disabled",
)
NO_ROOT = (
    "[    0.10] Run /init as init process",
    '[    0.94] Kernel panic - not syncing: VFS: Unable to mount root fs on "" or unknown-block(0,0)',
)


def test_panic() -> None:
    assert judge("", NO_ROOT, 64) == Panic('VFS: Unable to mount root fs on "" or unknown-block(0,0)')


def test_lack_of_memory_is_told_by_its_first_line_without_the_stamp() -> None:
    assert judge("", OUT_OF_MEMORY, 16) == OutOfMemory(16, "Out of memory and no killable processes...")


def test_console_that_tells_nothing() -> None:
    assert judge("", ("Linux version 6.12", "hello"), 64) is None


def test_report_comes_before_the_console() -> None:
    assert judge("exit 0\n", NO_ROOT, 64) == Exited(0)
    assert judge("signal 15\n", OUT_OF_MEMORY, 64) == Signalled(15)


def test_application_that_complains_about_memory_and_exits_has_exited() -> None:
    assert judge("exit 1\n", ("nginx: Cannot allocate memory",), 64) == Exited(1)


def test_application_that_the_kernel_killed_for_memory_lacks_memory() -> None:
    line = "Out of memory: Killed process 1 (redis-server) total-vm:60000kB"
    assert judge("signal 9\n", (line,), 32) == OutOfMemory(32, line)
    assert judge("signal 9\n", ("hello",), 32) == Signalled(9)


@pytest.mark.parametrize("report", ["", "exit", "exit x\n", "exi", "\x00exit 3 4\n"])
def test_report_that_is_none(report: str) -> None:
    assert judge(report, (), 64) is None


def test_report_cut_short_of_its_newline_counts() -> None:
    assert judge("exit 12", (), 64) == Exited(12)
