# SPDX-License-Identifier: GPL-2.0-only
"""A break on the console asks the application to stop, whatever it has done to its terminal and its signals."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.app.signals import signal_number
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import End, Exited, Signalled, Timeout
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

# Does as it is told on its terminal, waits for a signal, and ends with its number.
STOPPER = r"""
    #include <signal.h>
    #include <stdio.h>
    #include <string.h>
    #include <termios.h>
    #include <unistd.h>

    static void end(int number) { _exit(number); }

    int main(void)
    {
        char line[80];

        puts("how?");
        fflush(stdout);
        fgets(line, sizeof(line), stdin);
        if (!strstr(line, "plain"))
            for (int number = 1; number < 65; number++)
                signal(number, strstr(line, "ignoring") ? SIG_IGN : end);
        if (strstr(line, "raw")) {
            struct termios mode;

            tcgetattr(0, &mode);
            mode.c_iflag = 0;
            mode.c_lflag = 0;
            mode.c_cflag &= ~CREAD;
            tcsetattr(0, TCSANOW, &mode);
        }
        puts("ready");
        fflush(stdout);
        for (int fd = 0; fd < 3 && strstr(line, "closed"); fd++)
            close(fd);
        for (;;)
            pause();
    }
"""

SIGNALS = ("SIGTERM", "SIGUSR1", "SIGQUIT", "SIGRTMIN+3")
IMAGES = (
    pytest.param({"ring": 0}, id="ring0"),
    pytest.param({"ring": 3}, id="ring3"),
    pytest.param({"ring": 0, "kernel": "6.1"}, id="ring0-6.1", marks=pytest.mark.slow),
    pytest.param({"ring": 3, "kernel": "6.1"}, id="ring3-6.1", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module")
def stopper(workshop: Workshop) -> str:
    return workshop.add("stopper", STOPPER)


@pytest.fixture(scope="module", params=IMAGES)
def image(request: pytest.FixtureRequest, workshop: Workshop, stopper: str) -> Image:
    return workshop.build(stopper, **request.param)


def stopped(boot: Boot, how: str, stop: str, *, typed: bytes = b"", grace_s: float = 30) -> Timeout | End:
    """Have the program wait in some way, and ask it to stop."""
    number = signal_number(stop)
    words = () if stop == "SIGTERM" else (f"unilinux_stop={number}",)
    with Vm.start(replace(boot, cmdline=(*boot.cmdline, *words)), ENGINE) as vm:
        vm.expect(r"^how\?$", timeout_s=60)
        vm.send(f"{how}\n".encode())
        vm.expect("^ready$", timeout_s=60)
        vm.send(typed)
        deadline = time.monotonic() + 30
        while not vm.is_idle():  # until it has closed its files and waits
            assert time.monotonic() < deadline
        assert vm.end is None
        outcome = vm.power_down(stop, grace_s=grace_s)
        assert vm.report.stop == number
        return outcome


@pytest.mark.parametrize("stop", SIGNALS)
def test_each_signal_reaches_a_handler(image: Image, boot_of: Boots, stop: str) -> None:
    assert stopped(boot_of(image), "usual", stop) == Exited(signal_number(stop))


def test_terminal_that_makes_no_signals(image: Image, boot_of: Boots) -> None:
    assert stopped(boot_of(image), "raw", "SIGTERM", typed=b"\x03\x1c") == Exited(15)


def test_application_that_closed_its_terminal(image: Image, boot_of: Boots) -> None:
    assert stopped(boot_of(image), "closed", "SIGTERM") == Exited(15)


def test_signal_without_a_handler_ends_it(image: Image, boot_of: Boots) -> None:
    assert stopped(boot_of(image), "plain", "SIGUSR1") == Signalled(10)


def test_application_that_ignores_the_signal(image: Image, boot_of: Boots) -> None:
    outcome = stopped(boot_of(image), "ignoring", "SIGTERM", grace_s=1)
    assert outcome == Timeout(1, "the end of the application after SIGTERM")


def test_word_that_is_no_signal_is_said_and_changes_nothing(workshop: Workshop, stopper: str, boot_of: Boots) -> None:
    boot = boot_of(workshop.build(stopper, ring=0))
    with Vm.start(replace(boot, cmdline=(*boot.cmdline, "unilinux_stop=65", "loglevel=7")), ENGINE) as vm:
        vm.expect("unilinux: unilinux_stop=65 is no signal", timeout_s=60)
        vm.expect(r"^how\?$", timeout_s=60)
        assert vm.power_down("SIGTERM", grace_s=30) == Signalled(15)


def test_break_by_hand(workshop: Workshop, stopper: str, boot_of: Boots) -> None:
    """As the command beside the logs boots it, on a terminal: Ctrl-A b."""
    boot = boot_of(workshop.build(stopper, ring=0))
    with Vm.start(boot, ENGINE) as vm:
        vm.expect(r"^how\?$", timeout_s=60)
    command = (boot.evidence / "command.txt").read_text().splitlines()[-1]
    with subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        for line in qemu.stdout:
            if line.startswith(b"how?"):
                break
        qemu.stdin.write(b"usual\n")
        qemu.stdin.flush()
        for line in qemu.stdout:
            if line.startswith(b"ready"):
                break
        qemu.stdin.write(b"\x01b")
        qemu.stdin.flush()
        assert "init exited with status 15" in qemu.stdout.read().decode()
        assert qemu.wait(timeout=30) == 15 << 1 | 1  # as isa-debug-exit makes it
