# SPDX-License-Identifier: GPL-2.0-only
"""How applications and kernels end, well or badly, and what the user is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.core.errors import BootError
from unilinux.core.events import NullSink, Progress
from unilinux.image.record import Image
from unilinux.image.request import Request, make_plan
from unilinux.verify.result import Entry
from unilinux.verify.verify import verify
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, InitFailed, OutOfMemory, Panic, Signalled, Timeout
from unilinux.vm.report import Started
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]


def test_exit_status_reaches_the_host(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("status", "int main(void) { return 203; }"))
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(203)


@pytest.mark.slow  # a kernel of its own, unless the attack suite has built it
def test_last_words_arrive_from_two_cpus(workshop: Workshop, boot_of: Boots) -> None:
    source = """
        #include <stdio.h>
        int main(void) { for (int i = 0; i < 100; i++) printf("line %d of what I have to say\\n", i); return 7; }
    """
    image = workshop.build(workshop.add("talker", source), profile="attack-full", ring=0, syscall="gate")
    for _ in range(5):
        with Vm.start(boot_of(image), ENGINE) as vm:
            assert vm.wait(timeout_s=60) == Exited(7)
            said = [line.text for line in vm.console.lines() if "of what I have to say" in line.text]
        assert len(said) == 100


def test_application_that_crashes(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("crash", "int main(void) { return *(volatile int *)0; }"))
    boot = boot_of(image)
    with Vm.start(boot, ENGINE) as vm:
        outcome = vm.wait(timeout_s=60)
        assert outcome == Signalled(11)
        error = vm.failure(outcome)
    assert error.message == "the application was killed by signal 11 (SIGSEGV)"
    assert any("unilinux: init killed by signal 11 (SIGSEGV)" in line for line in error.details)
    assert str(boot.evidence / "console.log") in (error.hint or "")


def test_application_that_cannot_start_says_why(workshop: Workshop, boot_of: Boots) -> None:
    name = workshop.add("plain", "int main(void) { return 0; }")
    manifest = workshop.layout.apps / name / "app.toml"
    text = manifest.read_text()
    extra = '[[files]]\npath = "/bin/data"\nbuild = "plain"\nmode = "0644"\n\n[run]'
    manifest.write_text(text.replace("[run]", extra).replace('argv = ["/bin/plain"]', 'argv = ["/bin/data"]'))
    with Vm.start(boot_of(workshop.build(name)), ENGINE) as vm:
        outcome = vm.wait(timeout_s=60)
    assert outcome == InitFailed(126, "cannot execute /bin/data: Permission denied")


def test_program_for_the_gate_on_a_kernel_without_one(workshop: Workshop, boot_of: Boots) -> None:
    name = workshop.add("gated", "int main(void) { return 0; }")
    manifest = workshop.layout.apps / name / "app.toml"
    manifest.write_text(manifest.read_text().replace('steps = ["', 'steps = ["UNILINUX_ENTRY=gate '))
    image = workshop.build(name, ring=3)
    said: list[str] = []
    # On a busy host the kernel may end before the serial port has sent what PID 1 wrote last.
    for _ in range(3):
        with Vm.start(boot_of(image), ENGINE) as vm:
            assert vm.wait(timeout_s=60) == Exited(127)
            said += vm.console.tail(20)
    assert any("this kernel has none (CONFIG_UNILINUX_GATE)" in line for line in said)


# All that the kernel and init say about an end, written by an application that lives on.
FORGER = r"""
    #include <stdio.h>
    int main(void)
    {
        char line[64];

        puts("Kernel panic - not syncing: x");
        puts("[    1.000000] Kernel panic - not syncing: x");
        puts("[    1.000000] Out of memory: Killed process 1 (forger)");
        puts("Initramfs unpacking failed: write error");
        puts("[    1.000000] unilinux: init exited with status 0");
        puts("unilinux: cannot mount /x: Invalid argument");
        puts("awake?");
        fflush(stdout);
        while (fgets(line, sizeof(line), stdin))
            if (line[0] == 'q')
                return 7;
            else
                printf("yes, I am awake\n"), fflush(stdout);
        return 1;
    }
"""


def test_what_an_application_writes_is_not_taken_for_the_kernels_words(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("forger", FORGER), ring=3)
    with Vm.start(boot_of(image), ENGINE) as vm:
        started = vm.wait_started(timeout_s=60)
        assert isinstance(started, Started)
        assert (started.ring, started.syscall) == (3, "trap")
        vm.expect(r"^awake\?$", timeout_s=60)
        assert isinstance(vm.wait(timeout_s=1), Timeout)
        vm.send(b"are you?\n")
        vm.expect("^yes, I am awake$", timeout_s=60)
        assert vm.end is None
        vm.send(b"q\n")
        assert vm.wait(timeout_s=60) == Exited(7)


def test_application_that_hangs(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("hang", '#include <stdio.h>\nint main(void) { puts("hanging"); for (;;); }'))
    with Vm.start(boot_of(image), ENGINE) as vm:
        vm.expect("hanging", timeout_s=60)
        outcome = vm.wait(timeout_s=0.5)
        assert isinstance(outcome, Timeout)
        error = vm.failure(outcome)
    assert "did not come within 0.5 s; the machine was still running" in error.message
    assert "hanging" in error.details


def test_kernel_panic(hello_image: Image, boot_of: Boots) -> None:
    boot = replace(boot_of(hello_image), cmdline=("rdinit=/nowhere", "init=/nowhere"))
    with Vm.start(boot, ENGINE) as vm:
        outcome = vm.wait(timeout_s=60)
        assert isinstance(outcome, Panic)
        assert "/nowhere" in outcome.text
        assert vm.failure(outcome).message.startswith("the kernel panicked: ")


def test_too_little_memory_is_said_as_such(workshop: Workshop, boot_of: Boots) -> None:
    plan = make_plan(Request(app="hello", memory_mib=5), workshop.layout)
    boot = replace(boot_of(workshop.build("hello")), machine=plan.machine)
    with (
        pytest.raises(BootError, match=r"the guest has too little memory \(-m 5\)") as caught,
        Vm.start(boot, ENGINE) as vm,
    ):
        outcome = vm.wait(timeout_s=60)
        assert isinstance(outcome, OutOfMemory)
        raise vm.failure(outcome)
    assert "--memory" in (caught.value.hint or "")


def test_verification_that_fails_shows_the_console(workshop: Workshop, boot_of: Boots) -> None:
    image = workshop.build(workshop.add("liar", '#include <stdio.h>\nint main(void) { puts("Goodbye"); return 0; }'))
    manifest = image.plan.app.manifest
    entry = Entry(image.plan.entry.ring, image.plan.entry.syscall)
    result = verify(boot_of(image), ENGINE, manifest, entry=entry, progress=Progress(NullSink()), timeout_s=30)
    assert not result.ok
    assert "Goodbye" in result.console_tail
