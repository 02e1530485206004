# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel says on its report port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from unilinux.vm.report import Report, ReportPort, Started, read_report


def test_words_of_a_server_that_was_stopped() -> None:
    assert read_report("init\nexec ring=0 syscall=lean\nexit 0\n") == Report(
        has_init=True, started=Started(0, "lean", 0.0), end=("exit", 0)
    )


def test_the_first_of_each_word_counts() -> None:
    report = read_report("init\noom nginx\noom other\npanic one\npanic two\nsignal 9\nexit 0\n")
    assert (report.shortage, report.panic, report.end) == ("nginx", "one", ("signal", 9))


@pytest.mark.parametrize(
    "line",
    ["", "exit", "exit x", "exi", "\x00exit 3 4", "initial", "exec ring=4 syscall=lean", "exec ring=0", "exit 12345"],
)
def test_what_is_no_word_changes_nothing(line: str) -> None:
    assert read_report(line) == Report()


def test_the_last_line_counts_without_its_end() -> None:
    assert read_report("exit 12").end == ("exit", 12)


def test_words_without_a_text_still_count() -> None:
    assert read_report("panic").panic == "it did not say why"
    assert read_report("oom").shortage == "the kernel found no memory"


@pytest.fixture
def port() -> Iterator[tuple[ReportPort, socket.socket, threading.Condition]]:
    ours, theirs = socket.socketpair()
    changed = threading.Condition()
    reader = ReportPort(ours, changed, began=time.monotonic())
    yield reader, theirs, changed
    theirs.close()
    reader.close()


def test_lines_are_put_together_and_whoever_waits_is_woken(
    port: tuple[ReportPort, socket.socket, threading.Condition],
) -> None:
    reader, kernel, changed = port
    kernel.sendall(b"ini")
    kernel.sendall(b"t\r\nexec ring=3 sys")
    with changed:
        assert changed.wait_for(lambda: reader.report.has_init, 10)
    kernel.sendall(b"call=trap\n")
    with changed:
        assert changed.wait_for(lambda: reader.report.started is not None, 10)
    assert reader.report.started is not None
    assert reader.report.started.ring == 3


def test_what_has_no_end_fills_no_memory(port: tuple[ReportPort, socket.socket, threading.Condition]) -> None:
    reader, kernel, changed = port
    for _ in range(300):
        kernel.sendall(b"x" * 4096)
    kernel.sendall(b"\nexit 7\n")
    with changed:
        assert changed.wait_for(lambda: reader.report.end is not None, 10)
    assert len(reader._partial) <= 4096
