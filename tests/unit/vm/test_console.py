"""The console as lines, whatever the pieces that it comes in."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unilinux.vm.console import Console


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
    console = Console(stream, tmp_path / "console.log", began=time.monotonic())
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
    console = Console(stream, tmp_path / "log", began=time.monotonic())
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
