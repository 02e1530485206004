# SPDX-License-Identifier: GPL-2.0-only
"""Consoles of machines that ended, as Linux 6.12 wrote them."""

from __future__ import annotations

import pytest

from unilinux.vm.diagnosis import hint_for, judge, lack_of_memory
from unilinux.vm.outcome import End, Exited, InitFailed, OutOfMemory, Panic, Signalled, Timeout
from unilinux.vm.report import read_report

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
    assert judge(read_report(""), NO_ROOT, 64) == Panic('VFS: Unable to mount root fs on "" or unknown-block(0,0)')


def test_lack_of_memory_is_told_by_its_first_line_without_the_stamp() -> None:
    assert judge(read_report(""), OUT_OF_MEMORY, 16) == OutOfMemory(16, "Out of memory and no killable processes...")


def test_console_that_tells_nothing() -> None:
    assert judge(read_report(""), ("Linux version 6.12", "hello"), 64) is None


def test_report_comes_before_the_console() -> None:
    assert judge(read_report("exit 0\n"), NO_ROOT, 64) == Exited(0)
    assert judge(read_report("signal 15\n"), OUT_OF_MEMORY, 64) == Signalled(15)


def test_application_that_complains_about_memory_and_exits_has_exited() -> None:
    assert judge(read_report("exit 1\n"), ("nginx: Cannot allocate memory",), 64) == Exited(1)


def test_application_that_the_kernel_killed_for_memory_lacks_memory() -> None:
    line = "Out of memory: Killed process 1 (redis-server) total-vm:60000kB"
    assert judge(read_report("signal 9\n"), (line,), 32) == OutOfMemory(32, line)
    assert judge(read_report("signal 9\n"), ("hello",), 32) == Signalled(9)


@pytest.mark.parametrize("report", ["", "exit", "exit x\n", "exi", "\x00exit 3 4\n"])
def test_report_that_is_none(report: str) -> None:
    assert judge(read_report(report), (), 64) is None


def test_report_cut_short_of_its_newline_counts() -> None:
    assert judge(read_report("exit 12"), (), 64) == Exited(12)


# What an application may write, on its own or because a visitor made it.
FORGED = (
    "Kernel panic - not syncing: x",
    "[    1.000000] Kernel panic - not syncing: x",
    "[    1.000000] Out of memory: Killed process 1 (nginx)",
    "[    1.000000] unilinux: init exited with status 0",
    "unilinux: cannot mount /x: Invalid argument",
)


@pytest.mark.parametrize("end", ["exit 3", "signal 11"])
def test_how_pid1_ended_is_what_the_kernel_reports(end: str) -> None:
    expected = Exited(3) if end == "exit 3" else Signalled(11)
    assert judge(read_report(f"init\nexec ring=3 syscall=trap\n{end}\n"), FORGED, 64) == expected
    assert judge(read_report(f"{end}\n"), FORGED, 64) == expected


def test_the_console_of_a_kernel_that_reports_is_not_believed() -> None:
    assert judge(read_report("init\nexec ring=3 syscall=trap\n"), FORGED, 64) is None
    assert judge(read_report("init\nexec ring=3 syscall=trap\nsignal 9\n"), FORGED, 64) == Signalled(9)


def test_a_panic_on_the_console_takes_a_restart() -> None:
    assert judge(read_report(""), NO_ROOT, 64, restarted=False) is None
    assert isinstance(judge(read_report(""), NO_ROOT, 64, restarted=True), Panic)


@pytest.mark.parametrize("line", ["GET /Kernel panic - not syncing: x", "nginx: Kernel panic - not syncing: x"])
def test_a_panic_in_the_middle_of_a_line_is_none(line: str) -> None:
    assert judge(read_report(""), (line,), 64) is None


def test_a_panic_behind_an_unfinished_line_is_one() -> None:
    assert judge(read_report(""), ("> [    1.000000] Kernel panic - not syncing: Oops",), 64) == Panic("Oops")


def test_a_panic_for_want_of_memory_before_there_is_a_console_is_a_lack_of_memory() -> None:
    text = "__populate_section_memmap: Failed to allocate 2097152 bytes align=0x1000 nid=0"
    assert judge(read_report(f"panic {text}\n"), (), 5) == OutOfMemory(5, text)


def test_what_the_kernel_reports_before_its_end_is_believed() -> None:
    assert judge(read_report("init\npanic Attempted to kill the idle task!\n"), (), 64, restarted=False) == Panic(
        "Attempted to kill the idle task!"
    )
    report = read_report("init\nexec ring=0 syscall=lean\noom redis-server\nsignal 9\n")
    assert judge(report, (), 64) == OutOfMemory(64, "redis-server")
    report = read_report("init\noom nothing is left to kill\npanic System is deadlocked on memory\n")
    assert judge(report, (), 64) == OutOfMemory(64, "nothing is left to kill")


@pytest.mark.parametrize("status", [125, 126, 127])
@pytest.mark.parametrize("report", ["init\n", ""])
def test_init_that_fails_is_told_with_its_complaint(status: int, report: str) -> None:
    last = (f"unilinux: init exited with status {status}", "reboot: Power down")
    lines = ("[    0.1] Run /init", "unilinux: cannot mount /x: Invalid argument", *last)
    assert judge(read_report(f"{report}exit {status}\n"), lines, 64) == InitFailed(
        status, "cannot mount /x: Invalid argument"
    )


def test_an_application_may_exit_with_inits_statuses() -> None:
    lines = ("unilinux: cannot open it",)
    assert judge(read_report("init\nexec ring=3 syscall=trap\nexit 125\n"), lines, 64) == Exited(125)
    assert judge(read_report("exit 125\n"), (*lines, "bye"), 64) == Exited(125)
    assert judge(read_report("init\nexit 125\n"), (), 64) == InitFailed(125, "it did not say why")


@pytest.mark.parametrize(
    "line",
    [
        "[    0.1] Kernel panic - not syncing: sparse_init_nid: Failed to allocate 16384 bytes",
        "[    0.1] Kernel panic - not syncing: kmem_cache_create_args: Failed to create slab 'x'. Error -12",
        "[    0.1] initcall net_init returned -12 after 0 usecs",
        "[    0.1] percpu: allocation failed, size=4096 align=4096 atomic=0, alloc from reserved chunk failed",
        "[    0.1] Kernel panic - not syncing: Real mode trampoline was not allocated",
        "[    0.1] SLUB: Unable to allocate memory on CPU 0",
        "[    0.1] swapper/0: page allocation failure: order:5, mode:0xcc0(GFP_KERNEL)",
        "[    0.1] Kernel panic - not syncing: Cannot allocate 64 bytes",
        "[    0.1] virtio_net: probe failed with error -12",
    ],
)
def test_lack_of_memory_in_all_its_forms(line: str) -> None:
    assert lack_of_memory((line,)) == line.partition("] ")[2]


def test_an_address_family_that_is_not_there_names_its_symbol() -> None:
    line = "nginx: [emerg] socket() [::]:80 failed (97: Address family not supported by protocol)"
    assert 'IPV6 = "y"' in (hint_for(Exited(1), (line,)) or "")


def test_a_panic_that_the_console_tells_of_is_a_hint_when_the_machine_stays() -> None:
    hint = hint_for(Timeout(1.0, "the line 'x'"), ("Kernel panic - not syncing: x",))
    assert hint == "the console says that the kernel panicked: 'x'"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("0x00000100", Panic("Attempted to kill init! exitcode=0x00000100")),
        ("0x00000009", OutOfMemory(64, "virtio_gpu: failed to allocate a framebuffer")),
    ],
)
def test_a_stock_kernels_panic_at_the_end_of_pid1_is_no_lack_of_memory(code: str, outcome: End) -> None:
    lines = (
        "[    0.1] virtio_gpu: failed to allocate a framebuffer",
        f"[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode={code}",
    )
    assert judge(read_report(""), lines, 64) == outcome
