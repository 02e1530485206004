# SPDX-License-Identifier: GPL-2.0-only
import os
import re
import struct
import subprocess
import sys
import termios
import threading
from fcntl import ioctl
from pathlib import Path

import pytest

from unilinux.core.events import Note, Progress
from unilinux.report.terminal import LiveTree

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A pseudo-terminal of a given size, read all the time into ``text``."""

    def __init__(self, *, width: int, height: int, encoding: str) -> None:
        self._leader, follower = os.openpty()
        ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.stream = open(follower, "w", encoding=encoding)  # noqa: SIM115 # closed by finish()
        self._encoding = encoding
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._leader, 65536):
                self._parts.append(part)
        except OSError:  # how Linux says that the other end was closed
            pass

    def finish(self) -> str:
        self.stream.close()
        self._reader.join(10)
        os.close(self._leader)
        return b"".join(self._parts).decode(self._encoding)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def _plain(text: str) -> str:
    """The text alone; where a line is erased to be drawn again, a new line begins."""
    text = re.sub(r"\x1b\[\d*[AK]", "\n", text)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def _last_lines(text: str) -> list[str]:
    """What is left standing: all after the live display was taken away for the last time."""
    return [line for line in _plain(text.rpartition(SHOW)[2]).splitlines() if line]


def test_a_finished_step_leaves_one_line_that_counts_what_was_in_it() -> None:
    terminal = Terminal(width=80, height=24, encoding="utf-8")
    with LiveTree(terminal.stream, clock=lambda: 0.0) as sink:
        progress = Progress(sink)
        with progress.step("image", "building nginx"):
            with progress.step("kernel", "the kernel") as kernel:
                kernel.cached()
            with progress.step("link", "linking") as link:
                link.detail("\x1b[31mvmlinux\x1b[0m")
                assert sink._live is not None
                sink._live.refresh()
    text = terminal.finish()
    assert "linking  0.0 s  vmlinux" in _plain(text)
    assert [re.sub(r"\d\.\d s", "T", line) for line in _last_lines(text)] == [
        "✓ building nginx  T  (2 steps, 1 cached)"
    ]
    assert text.count(HIDE) == text.count(SHOW) == 1


def test_between_steps_the_terminal_is_left_alone() -> None:
    terminal = Terminal(width=80, height=24, encoding="utf-8")
    with LiveTree(terminal.stream) as sink:
        progress = Progress(sink)
        sink.emit(Note("before"))
        with progress.step("a", "A") as step:
            step.cached()
        terminal.stream.write("a guest's console\n")
        terminal.stream.flush()
        with progress.step("b", "B"):
            pass
    text = terminal.finish()
    before, _, after = text.partition("a guest's console")
    assert before.count(HIDE) == before.count(SHOW) == after.count(HIDE) == after.count(SHOW) == 1
    assert _plain(before).splitlines()[0] == "note before"
    assert "✓ A  cached" in _plain(before)


def test_a_failure_shows_the_steps_that_failed_inside() -> None:
    terminal = Terminal(width=80, height=24, encoding="utf-8")
    with LiveTree(terminal.stream) as sink, pytest.raises(ZeroDivisionError):
        progress = Progress(sink)
        with progress.step("a", "outer"):
            with progress.step("b", "went well"):
                pass
            with progress.step("c", "inner"):
                raise ZeroDivisionError
    lines = _last_lines(terminal.finish())
    assert [line.split("  failed")[0] for line in lines] == ["✗ outer", "  ✗ inner"]


def test_a_narrow_terminal_gets_no_broken_lines_and_ascii_no_other_signs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "30")  # rich asks the three standard streams only, which are not this terminal here
    monkeypatch.setenv("LINES", "6")
    terminal = Terminal(width=30, height=6, encoding="ascii")
    with LiveTree(terminal.stream) as sink:
        progress = Progress(sink)
        with progress.step("a", "a label that is longer than the terminal is wide"):
            for number in range(12):
                with progress.step("b", f"number {number}"), progress.step("c", "inside"):
                    assert sink._live is not None
                    sink._live.refresh()
    text = terminal.finish()
    assert text.isascii()
    assert "?" not in _plain(text)
    assert [line for line in _plain(text).splitlines() if len(line) > 30] == []
    assert len(_last_lines(text)) == 1


def test_many_threads_do_no_harm() -> None:
    terminal = Terminal(width=80, height=24, encoding="utf-8")
    with LiveTree(terminal.stream) as sink:
        progress = Progress(sink)

        def work(number: int) -> None:
            for turn in range(10):
                with progress.step("s", f"thread {number} turn {turn}") as step:
                    step.detail("detail")
                    progress.note("note")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    text = terminal.finish()
    assert len(re.findall(r"thread \d turn \d  0\.\d s\n", _plain(text))) >= 40
    assert text.count(HIDE) == text.count(SHOW)


PROGRAM = """
import sys, time
from unilinux.core.events import Progress
from unilinux.report.terminal import LiveTree
with LiveTree(sys.stderr) as sink:
    with Progress(sink).step("a", "the step"):
        print("running", flush=True)
        time.sleep(60)
"""


def test_ctrl_c_gives_the_cursor_back() -> None:
    terminal = Terminal(width=80, height=24, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE, stderr=terminal.stream, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(2)
        process.wait(10)
    text = terminal.finish()
    assert text.count(HIDE) == text.count(SHOW) == 1
    assert "✗ the step  failed after" in _plain(text)
