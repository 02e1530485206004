# SPDX-License-Identifier: GPL-2.0-only
"""An NMI at each instruction of a system call, from the kernel's first one to its last one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.attack import without_nmi_messages
from tests.boot.conftest import Workshop
from unilinux.image.record import Image
from unilinux.measure.boot.kernel import read_kernel
from unilinux.vm.gdbstub import GdbStub, MachineGoneError, StubListener
from unilinux.vm.outcome import Exited
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.vm import Vm

INSTANTS = alone.Guest(name="instants")

TIMEOUT_S = 120.0

# Of instants.c: R9 of the calls that are meant, and which case R8 stands for.
MARK = 0x4E4D49
SYS_GETPPID = 110

# Instructions: a call that takes more is doing what others have left to do.
LONGEST = 400
# Instructions: through the lean gate and back take 36 without what they call, if no other task waits for the CPU.
SHORTEST = 36

_KERNEL_SPACE = 1 << 63

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


@dataclass(frozen=True, slots=True)
class Call:
    """A marked call: where it enters the kernel, and whether what the gate calls is stepped through as well."""

    case: str
    entry: int
    whole: bool = True


def calls(symbols: Mapping[str, int]) -> dict[int, Call]:
    """By what is in R8."""
    found = {0: Call("by_trap", symbols["entry_SYSCALL_64"])}
    if "ring0_gate_call" in symbols:
        by_call = symbols["ring0_gate_call"]
        found[1] = Call("by_call", by_call)
        found[2] = Call("by_nr", symbols["ring0_gate_nr"] + 16 * SYS_GETPPID)
        found[3] = Call("by_jmp", symbols["ring0_gate_jmp"])
        found[4] = Call("unmapped", by_call, whole=False)
    return found


@dataclass(slots=True)
class Injector:
    """Follows the first call of each case, and lets NMIs come at one instruction of it after the other."""

    vm: Vm
    stub: GdbStub
    symbols: Mapping[str, int]
    calls: Mapping[int, Call]
    left: dict[str, list[int]] = field(default_factory=dict)
    """The instructions of a case at which no NMI has come yet."""
    instants: dict[str, list[int]] = field(default_factory=dict)
    """Where the NMIs of a case came, by the address that they interrupted."""

    def run(self) -> None:
        """Until the guest has ended."""
        for place in {call.entry for call in self.calls.values()} | {self.symbols["asm_exc_nmi"]}:
            self.stub.set_breakpoint(place)
        try:
            while True:
                call = self.marked()
                if call is None:
                    self.proceed()
                elif call.case in self.left:
                    self.attack(call)
                else:
                    self.follow(call)
        except MachineGoneError:
            pass

    def proceed(self) -> None:
        self.stub.resume()
        assert self.stub.wait(TIMEOUT_S) is not None, "the guest hangs"

    def marked(self) -> Call | None:
        """The call that has just entered the kernel, if it is one to be interrupted."""
        registers = self.stub.registers()
        call = self.calls.get(registers.r8) if registers.r9 == MARK else None
        return call if call and call.entry == registers.rip and self.left.get(call.case) != [] else None

    def attack(self, call: Call) -> None:
        place = self.left[call.case][0]
        if not self.reached(place):
            return  # this call went another way, and the next one has begun
        self.vm.execute("inject-nmi")
        with self.without_breakpoint(place):
            self.proceed()
        registers = self.stub.registers()
        assert registers.rip == self.symbols["asm_exc_nmi"]
        assert int.from_bytes(self.stub.read(registers.rsp, 8), "little") == place
        self.instants[call.case].append(self.left[call.case].pop(0))

    @contextmanager
    def without_breakpoint(self, place: int) -> Iterator[None]:
        """Whoever goes on from a breakpoint executes that instruction first, with NMIs held back."""
        here = any(call.entry == place for call in self.calls.values())
        if here:
            self.stub.clear_breakpoint(place)
        yield
        if here:
            self.stub.set_breakpoint(place)

    def reached(self, place: int) -> bool:
        """Go on to an instruction, or to the next marked call."""
        if self.stub.registers().rip == place:
            return True
        self.stub.set_breakpoint(place)
        self.proceed()
        while self.stub.registers().rip != place and self.marked() is None:
            self.proceed()
        self.stub.clear_breakpoint(place)
        return self.stub.registers().rip == place

    def follow(self, call: Call) -> None:
        """Step through a call to its end; through the next one instead if there is other work to do on the way."""
        path = [self.stub.registers().rip]
        while self.advance(whole=call.whole):
            path.append(self.stub.registers().rip)
            if len(path) > LONGEST:
                return
        self.left[call.case] = list(dict.fromkeys(path))
        self.instants[call.case] = []

    def advance(self, *, whole: bool) -> bool:
        """One instruction on; False if the call is over."""
        before = self.stub.registers()
        self.stub.step()
        now = self.stub.registers()
        if now.rip < _KERNEL_SPACE:
            return False
        if whole or self.in_gate(now.rip):
            return True
        back = int.from_bytes(self.stub.read(now.rsp, 8), "little")
        if now.rsp != before.rsp - 8 or not self.in_gate(back):
            return False  # an exception
        self.stub.set_breakpoint(back)
        while (now.rip, now.rsp) != (back, before.rsp):
            self.proceed()
            now = self.stub.registers()
        self.stub.clear_breakpoint(back)
        return True

    def in_gate(self, address: int) -> bool:
        return self.symbols["ring0_text_begin"] <= address < self.symbols["ring0_text_end"]


def interrupt(image: Image, evidence: Path) -> Injector:
    """Boot the program, interrupt its calls, and expect that all of its cases pass."""
    symbols = read_kernel(image.vmlinux, image.folder / "System.map").symbols
    with StubListener() as listener:
        boot = replace(alone.boot_of(image, evidence), debugger=listener.path)
        with (
            Vm.start(boot, NativeQemu(Accelerator(name="tcg", reason="debugged")), held=True) as vm,
            listener.accept() as stub,
        ):
            injector = Injector(vm, stub, symbols, calls(symbols))
            injector.run()
            assert vm.wait(timeout_s=TIMEOUT_S) == Exited(0), evidence
    said = alone.reports(without_nmi_messages((evidence / "console.log").read_text()).splitlines())
    wanted = {call.case for call in injector.calls.values()}
    assert {case for case, report in said.items() if report.startswith("pass")} == wanted
    return injector


@pytest.mark.parametrize(
    ("ring", "syscall"),
    [
        pytest.param(0, "lean", id="ring0-lean"),
        pytest.param(0, "gate", id="ring0-gate", marks=pytest.mark.slow),
        pytest.param(3, "trap", id="ring3-trap", marks=pytest.mark.slow),
    ],
)
def test_nmi_at_each_instruction(workshop: Workshop, tmp_path: Path, ring: int, syscall: str) -> None:
    image = alone.build(workshop, INSTANTS, ring=ring, syscall=syscall)
    injector = interrupt(image, tmp_path / "evidence")
    counts = {case: len(places) for case, places in injector.instants.items()}
    (tmp_path / "evidence/instants.json").write_text(json.dumps(counts))
    assert injector.left == {call.case: [] for call in injector.calls.values()}
    assert min(counts.values()) >= SHORTEST, counts
