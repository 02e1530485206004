# SPDX-License-Identifier: GPL-2.0-only
"""The console as lines, whatever the pieces that it comes in."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unilinux.vm.console import Console
from unilinux.vm.log import CappedLog


class Pieces:
    """A stream that gives what it is told to, piece by piece."""

    def __init__(self) -> None:
        self.pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.typed = b""

    def receive(self) -> bytes:
        return self.pieces.get()

    def send(self, data: bytes) -> None:
        self.typed += data

    def close(self) -> None:
        pass


@pytest.fixture
def stream() -> Pieces:
    return Pieces()


@pytest.fixture
def console(stream: Pieces, tmp_path: Path) -> Iterator[Console]:
    console = Console(stream, CappedLog(tmp_path / "console.log"), threading.Condition(), began=time.monotonic())
    yield console
    stream.pieces.put(b"")
    console.close()


def texts(console: Console) -> list[str]:
    return [line.text for line in console.lines()]


def give(stream: Pieces, *pieces: bytes) -> None:
    for piece in pieces:
        stream.pieces.put(piece)


def soon() -> float:
    return time.monotonic() + 10


def test_lines_are_put_together_from_pieces(stream: Pieces, console: Console) -> None:
    give(stream, b"on", b"e\r", b"\ntwo\n\nth", b"ree")
    assert console.find(lambda text: text == "three", deadline=soon())
    assert texts(console) == ["one", "two", "", "three"]
    assert console.tail(2) == ("two", "three")


def test_bytes_that_are_no_text_are_no_trouble(stream: Pieces, console: Console) -> None:
    give(stream, b"a\xff\xc3\n", b"end\n")
    assert console.find(lambda text: text == "end", deadline=soon())
    assert texts(console)[0].startswith("a\ufffd")


def test_letter_cut_in_two_is_one_letter(stream: Pieces, console: Console) -> None:
    give(stream, "ä".encode()[:1], "ä".encode()[1:] + b"\n")
    assert console.find(lambda text: text == "ä", deadline=soon())


def test_line_without_end_is_cut(stream: Pieces, console: Console) -> None:
    give(stream, b"x" * 70_000, b"y\n")
    assert console.find(lambda text: text == "y", deadline=soon())
    assert console.position() == 2


def test_find_gives_up_at_its_deadline(console: Console) -> None:
    began = time.monotonic()
    assert console.find(bool, deadline=began + 0.05) is None
    assert time.monotonic() - began >= 0.05


def test_find_gives_up_at_the_end(stream: Pieces, tmp_path: Path) -> None:
    console = Console(stream, CappedLog(tmp_path / "log"), threading.Condition(), began=time.monotonic())
    give(stream, b"last words", b"")
    assert console.find(lambda text: "never" in text, deadline=time.monotonic() + 1000) is None
    assert console.wait_closed(soon())
    console.close()
    assert (tmp_path / "log").read_text().endswith("] last words\n")


def test_lines_are_stamped_when_they_begin(stream: Pieces, console: Console) -> None:
    give(stream, b"begin")
    found = console.find(lambda text: text == "begin", deadline=soon())
    assert found is not None
    give(stream, b" end\n")
    whole = console.find(lambda text: text == "begin end", deadline=soon())
    assert whole is not None
    assert whole.seconds == found.seconds


def test_find_starts_where_it_is_told_to_though_old_lines_are_gone(stream: Pieces, console: Console) -> None:
    give(stream, b"same\n" * 25_000, b"end\n")
    assert console.find(lambda text: text == "end", deadline=soon())
    start = console.position()
    assert start == 25_001
    give(stream, b"same again\n")
    found = console.find(lambda text: text.startswith("same"), deadline=soon(), start=start)
    assert found is not None
    assert found.text == "same again"
    assert len(console.lines()) == 20_000


def test_send_types(stream: Pieces, console: Console) -> None:
    console.send(b"\x03")
    assert stream.typed == b"\x03"


def test_a_line_without_its_end_is_told_from_a_whole_one(stream: Pieces, console: Console) -> None:
    give(stream, b"checks failed: 1")
    found = console.find(lambda text: text.startswith("checks"), deadline=soon())
    assert found is not None
    assert not found.ended
    assert console.is_still(found, 0.05)
    give(stream, b"2\n")
    assert not console.is_still(found, 1000)
    whole = console.find(lambda text: text.startswith("checks"), deadline=soon())
    assert whole is not None
    assert (whole.text, whole.ended) == ("checks failed: 12", True)


@pytest.mark.parametrize("stamp", ["", "[    0.700123] "])
def test_the_kernels_last_words_behind_an_unfinished_line_are_a_line_of_their_own(
    stream: Pieces, console: Console, stamp: str
) -> None:
    give(stream, f"bye{stamp}unilinux: init exited with status 0\n".encode(), b"end\n")
    assert console.find(lambda text: text == "end", deadline=soon())
    assert texts(console) == ["bye", f"{stamp}unilinux: init exited with status 0", "end"]


def test_what_is_kept_in_memory_has_a_limit_in_characters(
    stream: Pieces, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unilinux.vm.console._KEPT_CHARACTERS", 100)
    give(stream, b"x" * 60 + b"\n" + b"y" * 60 + b"\nend\n")
    assert console.find(lambda text: text == "end", deadline=soon())
    assert texts(console) == ["y" * 60, "end"]
    assert console.position() == 3


def test_a_search_ends_when_something_else_is_so(stream: Pieces, tmp_path: Path) -> None:
    changed, is_over = threading.Condition(), threading.Event()
    console = Console(stream, CappedLog(tmp_path / "log"), changed, began=time.monotonic())

    def end() -> None:
        with changed:
            is_over.set()
            changed.notify_all()

    timer = threading.Timer(0.05, end)
    timer.start()
    assert console.find(bool, deadline=time.monotonic() + 1000, until=is_over.is_set) is None
    timer.join()
    give(stream, b"")
    console.close()
