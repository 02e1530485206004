# SPDX-License-Identifier: GPL-2.0-only
"""The gdb protocol, against a stub that answers from a script."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from unilinux.core.errors import VmError
from unilinux.vm.gdbstub import (
    GdbStub,
    MachineGoneError,
    Packet,
    Stop,
    StubListener,
    UnreadableMemoryError,
    frame,
    take_packet,
)

REGISTERS = struct.pack("<17Q7I", *range(100, 116), 0xFFFFFFFF81000000, 0x246, 0x33, 0x2B, 0, 0, 0, 0).hex()
TWO_STOPS = 2


def test_a_packet_has_its_checksum() -> None:
    assert frame(b"g") == b"$g#67"
    assert frame(b"") == b"$#00"


def test_what_has_a_meaning_is_escaped_and_comes_back() -> None:
    packet = frame(b"a#b$c}d*e")
    assert packet.count(b"#") == 1
    assert take_packet(bytearray(packet)) == Packet("a#b$c}d*e", intact=True)


def test_run_lengths_are_spelt_out() -> None:
    # The protocol's own example: "0* " stands for four zeros.
    assert take_packet(bytearray(b"$0* #%02x" % (sum(b"0* ") % 256))) == Packet("0000", intact=True)


def test_half_a_packet_is_left_for_later() -> None:
    received = bytearray(b"+$OK#9")
    assert take_packet(received) is None
    received += b"a$rest"
    assert take_packet(received) == Packet("OK", intact=True)
    assert received == b"$rest"


def test_a_wrong_checksum_is_noticed() -> None:
    assert take_packet(bytearray(b"$OK#00")) == Packet("OK", intact=False)


Answers = Mapping[str, str]


class Script:
    """A stub: answers commands from a table; ``c`` and steps are followed by the next stop."""

    def __init__(self, end: socket.socket, answers: Answers, stops: list[str]) -> None:
        self.commands: list[str] = []
        self._end, self._answers, self._stops = end, answers, stops

    def serve(self) -> None:
        received = bytearray()
        with self._end:
            while data := self._receive():
                received += data
                if b"\x03" in received:
                    received.clear()
                    self._end.sendall(frame(b"T02thread:01;"))
                while packet := take_packet(received):
                    self.commands.append(packet.text)
                    self._end.sendall(b"+")
                    self._reply(packet.text)

    def _receive(self) -> bytes:
        try:
            return self._end.recv(4096)
        except OSError:
            return b""

    def _reply(self, command: str) -> None:
        if command == "c" or command.startswith("vCont"):
            if self._stops:
                self._end.sendall(frame(self._stops.pop(0).encode()))
        elif (answer := self._answers.get(command)) is not None:
            self._end.sendall(frame(answer.encode()))


@contextmanager
def scripted(answers: Answers, *stops: str) -> Iterator[tuple[GdbStub, Script]]:
    ours, theirs = socket.socketpair()
    script = Script(theirs, answers, list(stops))
    thread = threading.Thread(target=script.serve)
    thread.start()
    try:
        with GdbStub(ours) as stub:
            yield stub, script
    finally:
        ours.close()
        thread.join()


def test_breakpoint_stop_and_registers() -> None:
    with scripted({"Z0,ffffffff81000000,1": "OK", "g": REGISTERS}, "T05thread:01;", "T05thread:02;") as (stub, script):
        stub.set_breakpoint(0xFFFFFFFF81000000)
        stub.resume()
        assert stub.wait(5) == Stop(5, 2)
        registers = stub.registers()
        assert (registers.rax, registers.r15, registers.rip) == (100, 115, 0xFFFFFFFF81000000)
        assert registers.ring == 3
    # It stood at the breakpoint, so it was stepped past it first: the stub would stop at once again.
    assert script.commands[-4:] == ["g", "vCont;s:1", "c", "g"]


def test_no_stop_within_the_time_is_none_and_the_guest_still_runs() -> None:
    with scripted({"g": REGISTERS}) as (stub, _):
        stub.resume()
        assert stub.wait(0.05) is None
        assert stub.running
        with pytest.raises(VmError, match="the guest runs"):
            stub.read(0, 1)
        assert stub.interrupt(5).signal == TWO_STOPS


def test_memory_is_read_in_pieces_that_fit_a_packet() -> None:
    answers = {"m1000,7d0": "ab" * 2000, "m17d0,1": "cd"}
    with scripted(answers) as (stub, _):
        assert stub.read(0x1000, 2001) == b"\xab" * 2000 + b"\xcd"


def test_memory_that_is_not_there() -> None:
    with scripted({"m10,4": "E14"}) as (stub, _), pytest.raises(UnreadableMemoryError, match="no memory at 0x10"):
        stub.read(0x10, 4)


def test_a_string_ends_at_its_zero_and_where_memory_ends() -> None:
    answers = {"m1000,40": (b"/dev/null\0" + bytes(54)).hex(), "m1ffe,2": b"ab".hex(), "m2000,40": "E14"}
    with scripted(answers) as (stub, _):
        assert stub.read_string(0x1000) == b"/dev/null"
        assert stub.read_string(0x1FFE) == b"ab"


@pytest.mark.parametrize(
    ("answers", "act", "words"),
    [
        ({"Z0,1,1": "E22"}, lambda stub: stub.set_breakpoint(1), "refused 'Z0,1,1': 'E22'"),
        ({"g": "123"}, lambda stub: stub.registers(), "unknown registers: '123'"),
        ({"m1,2": "ab"}, lambda stub: stub.read(1, 2), "1 bytes of memory where 2 were asked for"),
        ({"m1,2": "xy"}, lambda stub: stub.read(1, 2), "unreadable memory: 'xy'"),
    ],
)
def test_nonsense_is_an_error(answers: Answers, act: Callable[[GdbStub], object], words: str) -> None:
    with scripted(answers) as (stub, _), pytest.raises(VmError, match=words):
        act(stub)


def test_the_end_of_the_machine_has_a_type_of_its_own() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with GdbStub(ours) as stub, pytest.raises(MachineGoneError):
        stub.registers()
    with scripted({"g": REGISTERS}, "W00") as (stub, _):
        stub.resume()
        with pytest.raises(MachineGoneError, match="ended while"):
            stub.wait(5)


def test_nobody_connects() -> None:
    with StubListener() as listener:
        assert listener.path.is_socket()
        with pytest.raises(VmError, match="did not connect within"):
            listener.accept(timeout_s=0.05)
