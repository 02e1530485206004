# SPDX-License-Identifier: GPL-2.0-only
"""The counter under QEMU, on guests of which every instruction is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unilinux.core import command
from unilinux.core.errors import CommandError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.measure.boot.counter import CounterPlan, Counts, Watch, build_plugin, counting, read_counts
from unilinux.measure.boot.exits import read_exits
from unilinux.vm.engine import InstructionClock
from unilinux.vm.qemu.arguments import clock_arguments, plugin_arguments
from unilinux.vm.qemu.version import PROGRAM

pytestmark = pytest.mark.boot

# Entered by PVH: 32-bit protected mode without paging. It ends QEMU with exit code 2 * 21 + 1.
HEAD = """
    .section .note.pvh, "a", @note
    .long 4, 4, 18
    .asciz "Xen"
    .long start
    .text
    .globl start, again, stop, first, last
"""
STOP = """
stop:
    mov $21, %eax
    mov $0xf4, %dx
    out %eax, %dx
"""
EXACT = clock_arguments(InstructionClock())

# Every kind of exit, each a number of times of its own; RDTSC, CR3 and memory are none.
EXITS = f"""{HEAD}
start:
    mov $8, %ecx
1:  push %ecx
    xor %eax, %eax
    cpuid
    pop %ecx
    dec %ecx
    jnz 1b
    mov $5, %ebx
2:  mov $0x10, %ecx
    rdmsr
    dec %ebx
    jnz 2b
    mov $0x174, %ecx
    xor %eax, %eax
    wrmsr
    wrmsr
    wbinvd
    rdtsc
    mov %cr3, %eax
    movl $1, 0x300000
    mov $0x3f8, %edx
    in %dx, %al
    inb $0x21, %al
    outw %ax, $0x80
    out %al, %dx
    out %al, %dx
    mov $start, %esi
    mov $16, %ecx
    rep outsb                    # one exit
    mov $4, %ecx
    rep outsb                    # another one
    rep outsb                    # ecx is 0: none
    movl 0xfee00030, %eax
    movl %eax, 0xfee000f0
    incl 0xfee00080              # a read and a write
{STOP}"""

LOOP = f"""{HEAD}
start:
    mov $1000, %ecx
again:
    dec %ecx
    jnz again
    rep stosb            # ecx is 0
    mov $7, %ecx
    mov $0x300000, %edi
    rep stosb
{STOP}"""
# The second CPU is woken and counts down alone in [first, last), copied to 0x8000.
TWO_CPUS = f"""{HEAD}
start:
    mov $first, %esi
    mov $0x8000, %edi
    mov $(last - first), %ecx
    rep movsb
    movl $0x1ff, 0xfee000f0      # enable the local APIC
    movl $0xc4500, 0xfee00300    # INIT to all others
    movl $0xc4608, 0xfee00300    # start them at 0x8000
again:
    pause
    cmpb $1, 0x9000
    jne again
{STOP}
    .code16
first:
    mov $5000, %cx
1:  dec %cx
    jnz 1b
    movb $1, 0x9000
2:  hlt
    jmp 2b
last:
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    return build_plugin(LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink())))


def guest(folder: Path, source: str) -> tuple[Path, dict[str, int]]:
    """Assemble a guest; returns its ELF file and its symbols."""
    (folder / "guest.S").write_text(source)
    elf = folder / "guest"
    layout = "-Wl,-Ttext=0x200000,-e,start,--build-id=none"
    command.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", layout, "-o", elf, folder / "guest.S"])
    lines = (line.split() for line in command.run(["nm", elf]).output.splitlines())
    return elf, {name: int(address, 16) for address, _, name in lines}


def count(folder: Path, elf: Path, plan: CounterPlan, plugin: Path, *qemu: str, log: Path | None = None) -> Counts:
    (folder / "plan").write_text(plan.text())
    arguments = ["-M", "microvm", "-accel", "tcg", "-m", "16", "-nodefaults", "-no-user-config", "-display", "none"]
    arguments += ["-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", str(elf), *qemu]
    arguments += plugin_arguments(counting(plugin, folder / "plan", folder / "counts", log=log))
    with pytest.raises(CommandError) as ended:
        command.run([PROGRAM, *arguments], timeout_s=60)
    assert ended.value.returncode == 2 * 21 + 1, ended.value.tail
    return read_counts((folder / "counts").read_text(), plan)


def test_every_instruction_is_counted_once(tmp_path: Path, plugin: Path) -> None:
    elf, symbols = guest(tmp_path, LOOP)
    plan = CounterPlan(
        watches=(
            Watch(name="start", addresses=(symbols["start"],)),
            Watch(name="again", addresses=(symbols["again"],), keep=3),
            Watch(name="stop", addresses=(symbols["stop"],), snapshot=True),
        ),
        regions=(symbols["start"], symbols["again"], symbols["stop"], symbols["stop"] + 16),
    )
    counts = count(tmp_path, elf, plan, plugin, *EXACT)
    start, stop = counts.stamps["start"][0], counts.stamps["stop"][0]
    # mov; a thousand times dec and jnz; rep that has nothing to do; two mov; rep of seven iterations,
    # which QEMU counts as instructions, as it does the test that ends them
    assert 2000 + 4 + 7 <= stop - start <= 2000 + 4 + 7 + 2
    assert counts.hits["again"] == 1000
    assert counts.stamps["again"] == (start + 1, start + 3, start + 5)
    assert counts.regions[1] == 1
    assert counts.regions[3] == 3
    assert sum(counts.snapshots["stop"].values()) == stop
    assert counts.vcpus == (counts.total,)


def test_a_watch_waits_for_another(tmp_path: Path, plugin: Path) -> None:
    elf, symbols = guest(tmp_path, LOOP)
    plan = CounterPlan(
        watches=(
            Watch(name="again", addresses=(symbols["again"],)),
            Watch(name="tenth", addresses=(symbols["again"] + 1,), after=("again", 10)),
            Watch(name="never", addresses=(symbols["stop"],), after=("again", 1001)),
            Watch(name="anywhere", ranges=((symbols["stop"], symbols["stop"] + 64),), keep=2),
        )
    )
    counts = count(tmp_path, elf, plan, plugin, *EXACT)
    # dec is one byte long, so jnz is the instruction after it
    assert counts.stamps["tenth"][0] == counts.stamps["again"][0] + 19
    assert counts.hits["never"] == 0
    assert counts.stamps["anywhere"][1] == counts.stamps["anywhere"][0] + 1


def test_repeats_agree_to_the_instruction(tmp_path: Path, plugin: Path) -> None:
    elf, _ = guest(tmp_path, LOOP)
    plan = CounterPlan(watches=())
    totals = {count(tmp_path, elf, plan, plugin, *EXACT).total for _ in range(5)}
    assert len(totals) == 1


def test_every_exit_is_told_with_its_cause(tmp_path: Path, plugin: Path) -> None:
    elf, symbols = guest(tmp_path, EXITS)
    plan = CounterPlan(watches=(Watch(name="start", addresses=(symbols["start"],)),), exits=True)
    counts = count(tmp_path, elf, plan, plugin, *EXACT, log=tmp_path / "log")
    own = [one.cause for one in read_exits((tmp_path / "log").read_text()) if one.stamp >= (counts.first("start") or 0)]
    assert Counter(own) == {
        "CPUID": 8,
        "RDMSR": 5,
        "WRMSR": 2,
        "WBINVD": 1,
        "port 0x3f8": 5,
        "PIC": 1,
        "port 0x80": 1,
        "local APIC": 4,
        "isa-debug-exit": 1,
    }
    without = count(tmp_path, elf, CounterPlan(watches=plan.watches), plugin, *EXACT)
    assert without.total == counts.total, "telling of exits executes nothing"


@pytest.mark.parametrize("qemu", [EXACT, ()], ids=["icount", "threads"])
def test_each_cpu_is_counted_for_itself(tmp_path: Path, plugin: Path, qemu: tuple[str, ...]) -> None:
    elf, symbols = guest(tmp_path, TWO_CPUS)
    size = symbols["last"] - symbols["first"]
    plan = CounterPlan(watches=(), regions=(0x8000, 0x8000 + size))
    counts = count(tmp_path, elf, plan, plugin, "-smp", "2", *qemu)
    assert counts.vcpus[0] + counts.vcpus[1] == counts.total
    # mov, 5000 times dec and jnz, movb, hlt
    assert counts.regions[1] == 1 + 2 * 5000 + 2
    assert counts.vcpus[1] >= counts.regions[1]
