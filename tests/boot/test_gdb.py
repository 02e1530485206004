# SPDX-License-Identifier: GPL-2.0-only
"""gdb on QEMU's own stub: from main() to the bottom of the kernel, in ring 0 and, as the control, in ring 3."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import ENGINE, Workshop
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

DEBUGGEE = alone.Guest(name="debuggee")

pytestmark = [
    pytest.mark.boot,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb isn't installed (apt-get install gdb)"),
]

_STEP_TO_KERNEL = "while $pc < 0x800000000000\n stepi\n set $into = $into + 1\nend"
_STEP_TO_PROGRAM = "while $pc > 0x800000000000\n stepi\n set $out = $out + 1\nend"

# What is asked, by the name of the answer.
_SESSION: Mapping[str, tuple[str, ...]] = {
    "start": ("set $into = 0", "set $out = 0", "break read_zeros", "continue", "delete"),
    "program": ("backtrace",),
    "program registers": ("info registers cs",),
    "program memory": ("print secret",),
    "into the kernel": (_STEP_TO_KERNEL,),
    "first instruction": ("info symbol $pc", "info registers cs"),
    "kernel": ("break *__x64_sys_read", "continue", "delete", "backtrace"),
    "kernel registers": ("info registers cs",),
    "kernel memory": ("print secret",),
    "deep": ("break read_zero", "continue", "delete", "backtrace"),
    "out of the kernel": (_STEP_TO_PROGRAM,),
    "back": ("backtrace",),
    "steps": ("print $into", "print $out"),
    "end": ("set variable finished = 1", "continue"),
}


@dataclass(frozen=True, slots=True)
class Session:
    """What gdb said, and whether the kernel has unwind tables."""

    ring: int
    gate: str
    tables: bool
    said: Mapping[str, str]

    def functions(self, answer: str) -> list[str]:
        """The functions of a backtrace."""
        lines = [line for line in self.said[answer].splitlines() if line.startswith("#")]
        return [line.split(" (")[0].split()[-1] for line in lines]

    def register(self, answer: str, name: str) -> int:
        line = next(line for line in self.said[answer].splitlines() if line.split()[:1] == [name])
        return int(line.split()[1], 16)


def script(program: Path, socket: Path) -> str:
    """The session as gdb's commands."""
    lines = ["set width 0", "set pagination off", "set confirm off", f"add-symbol-file {program}"]
    lines += [f"source {alone.GUESTS}/alone/unwind.py", f"target remote {socket}"]
    for name, commands in _SESSION.items():
        lines += [f"echo <<<{name}>>>\\n", *commands]
    return "\n".join(lines) + "\n"


def debug(boot_vm: Vm, kernel: Path, program: Path, evidence: Path) -> dict[str, str]:
    """Let gdb have its session with a machine that waits for it."""
    with tempfile.TemporaryDirectory(prefix="gdb") as folder:  # the path of a socket is short
        socket = Path(folder) / "socket"
        (evidence / "commands").write_text(script(program, socket))
        listen = f"gdbserver unix:{socket},server=on,wait=off"
        boot_vm.execute("human-monitor-command", {"command-line": listen})
        argv = ["gdb", "--batch", "-nx", "-x", str(evidence / "commands"), str(kernel)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    (evidence / "gdb.log").write_text(done.stdout + done.stderr)
    _, *answers = done.stdout.split("<<<")
    return dict(answer.split(">>>\n", 1) for answer in answers)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("attack-up", 3, "trap"), id="ring3-trap"),
        pytest.param(("attack-up", 0, "lean"), id="ring0-lean"),
        # A kernel of its own, which takes minutes to compile
        pytest.param(("debug", 0, "lean"), id="debug-ring0-lean", marks=pytest.mark.slow),
    ],
)
def session(request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Session:
    profile, ring, syscall = request.param
    image = alone.build(workshop, DEBUGGEE, profile=profile, ring=ring, syscall=syscall)
    evidence = tmp_path_factory.mktemp("gdb")
    with Vm.start(alone.boot_of(image, evidence), ENGINE) as vm:
        vm.expect(f"ring {ring}, waiting for gdb", timeout_s=120)
        said = debug(vm, image.folder / "vmlinux.debug", alone.with_symbols(image, evidence), evidence)
        assert vm.wait(timeout_s=60) == Exited(0), evidence
    gate = "ring0_gate_jmp" if syscall == "lean" else "entry_SYSCALL_64"
    return Session(ring=ring, gate=gate, tables=profile == "debug", said=said)


def test_breakpoint_in_the_program(session: Session) -> None:
    assert session.functions("program") == ["read_zeros", "work", "main"]
    assert session.register("program registers", "cs") & 3 == session.ring


def test_breakpoint_in_the_kernel(session: Session) -> None:
    """The backtrace goes on to main()."""
    caller = ["do_syscall_64", session.gate] if session.ring == 3 else [session.gate]
    inlined = ("__do_sys_read", "__se_sys_read", "gate_jmp", "gate_trap")  # as far as there is debug information
    found = [name for name in session.functions("kernel") if name not in inlined]
    assert session.register("kernel registers", "cs") & 3 == 0
    if session.tables or session.ring == 0:
        assert found == ["__x64_sys_read", *caller, "read_zeros", "work", "main"]
    else:
        assert found[0] == "__x64_sys_read"


def test_backtrace_from_the_bottom(session: Session) -> None:
    found = session.functions("deep")
    assert found[0] == "read_zero"
    if not session.tables:
        pytest.skip("this kernel has no unwind tables")
    assert [name for name in found if name != "gate_jmp"][-4:] == [session.gate, "read_zeros", "work", "main"]
    assert "ksys_read" in found


def test_memory(session: Session) -> None:
    for answer in ("program memory", "kernel memory"):
        assert '"only gdb reads this"' in session.said[answer]


def test_stepping_there_and_back(session: Session) -> None:
    into, out = (int(line.split()[-1]) for line in session.said["steps"].splitlines())
    first = session.said["first instruction"].split()[0]
    assert first == ("ring0_gate_jmp" if session.ring == 0 else "entry_SYSCALL_64")
    assert 1 <= into < 1000
    assert 20 < out < 2000
    assert [name for name in session.functions("back") if name not in ("gate_jmp", "gate_trap")] == [
        "read_zeros",
        "work",
        "main",
    ]
