# SPDX-License-Identifier: GPL-2.0-only
"""The core dump of a crash in ring 0, as gdb on the host reads it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop

CRASH = alone.Guest(name="crash")

pytestmark = [
    pytest.mark.boot,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb isn't installed (apt-get install gdb)"),
]


def core_file(lines: Iterable[str], name: str, target: Path) -> None:
    """Put together what the program printed; see crash.c."""
    with target.open("wb") as file:
        for line in lines:
            match line.split():
                case ["core", of, "size", size] if of == name:
                    file.truncate(int(size))
                case ["core", of, offset, *words] if of == name:
                    file.seek(int(offset, 16))
                    file.write(b"".join(_words(word) for word in words))


def _words(word: str) -> bytes:
    zeros, found, _ = word.partition("x0")
    return bytes(8 * int(zeros)) if found else int(word, 16).to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class Dumps:
    """The cores that one run has left in a folder, and the program that they are of."""

    folder: Path
    program: Path

    def ask(self, core: str, *questions: str) -> list[str]:
        """What gdb answers."""
        argv = ["gdb", "--batch", "-nx", "-ex", "set width 0"]
        for question in questions:
            argv += ["-ex", "echo <<answer>>\\n", "-ex", question]
        argv += [str(self.program), str(self.folder / core)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        (self.folder / f"gdb-{core}.log").write_text(done.stdout + done.stderr)
        return done.stdout.split("<<answer>>\n")[1:]


@pytest.fixture(scope="module", params=[(3, "trap"), (0, "lean")], ids=["ring3-trap", "ring0-lean"])
def dumps(request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Dumps:
    ring, syscall = request.param
    folder = tmp_path_factory.mktemp("core")
    image = alone.build(workshop, CRASH, ring=ring, syscall=syscall)
    lines, _ = alone.run(image, folder, timeout_s=300)
    assert alone.reports(lines) == {"fault": "pass", "call": "pass"}
    for name in ("fault", "call"):
        core_file(lines, name, folder / name)
    return Dumps(folder, alone.with_symbols(image, folder))


def functions(backtrace: str) -> list[str]:
    return [line.split(" (")[0].split()[-1] for line in backtrace.splitlines() if line.startswith("#")]


def test_registers_are_those_of_ring_3(dumps: Dumps) -> None:
    (answer,) = dumps.ask("fault", "info registers rip rsp rbx r12 cs ss eflags")
    registers = {line.split()[0]: line.split()[1] for line in answer.splitlines()}
    assert (registers["cs"], registers["ss"]) == ("0x33", "0x2b")
    assert (registers["rbx"], registers["r12"]) == ("0x5eedb00b", "0x5eedf00d")
    assert int(registers["rsp"], 16) < 1 << 47
    assert int(registers["eflags"], 16) & 0x200, "interrupts were on"


def test_backtrace(dumps: Dumps) -> None:
    (answer,) = dumps.ask("fault", "backtrace")
    found = functions(answer)
    assert found[:3] == ["wild_write", "middle", "fault"]
    assert "main" in found


def test_faulting_address(dumps: Dumps) -> None:
    signal, address, instruction = dumps.ask(
        "fault", "print $_siginfo.si_signo", "print $_siginfo._sifields._sigfault.si_addr", "x/i $rip"
    )
    assert signal.split()[-1] == "11"
    assert address.split()[-1] == "0x5eed0"
    assert "wild_write" in instruction
    assert "mov" in instruction


def test_memory(dumps: Dumps) -> None:
    text, variable = dumps.ask("fault", "print (char *)&message", "print depth_reached")
    assert '"seen by gdb"' in text
    assert variable.split()[-1] == "1"


def test_killed_in_a_system_call(dumps: Dumps) -> None:
    """The gate is behind it: the backtrace is the application's."""
    registers, backtrace = dumps.ask("call", "info registers rip cs orig_rax", "backtrace")
    found = {line.split()[0]: line.split()[1] for line in registers.splitlines()}
    assert found["cs"] == "0x33"
    assert int(found["orig_rax"], 16) == 0, "read()"
    assert int(found["rip"], 16) < 1 << 47
    assert functions(backtrace)[:2] == ["wait_in_kernel", "call"]
