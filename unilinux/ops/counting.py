# SPDX-License-Identifier: GPL-2.0-only
"""Boots of an image that are counted to the instruction, timed, or looked into for their memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from unilinux.app.checks.kinds import Check, port_of
from unilinux.core.errors import VmError
from unilinux.measure.boot.boots import Wall, booted, counted_boot, quit_after, timed_boots, to_the_end
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.boot.stages import Application, Stages
from unilinux.measure.memory.occupancy import occupancy
from unilinux.measure.stock.kernel import STARTING
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.workshop import Workshop
from unilinux.verify.verify import check_machine
from unilinux.vm.outcome import End, Timeout
from unilinux.vm.report import Started
from unilinux.vm.vm import Vm

# On an idle host a boot takes a second; a busy one makes -icount very slow.
_TIMEOUT_S = 600.0

_IDLE_LOOKS = 3  # in a row
_MOST_LOOKS = 200
_BETWEEN_LOOKS_S = 0.05
_END_GRACE_S = 10.0


def awaited_check(checks: Sequence[Check]) -> Check:
    """What a server is asked first: the first check that talks to it, else the first of all."""
    return next((check for check in checks if port_of(check) is not None), checks[0])


def count(here: Workshop, subject: ImageUnderTest, runs: int = 1) -> tuple[Stages, ...]:
    """Boot under the instruction counter, ``runs`` times.

    :raise BootError: a boot didn't come to its end, or the server to its first answer.
    :raise VerifyError: the server's first answer was wrong.
    """
    plugin = build_plugin(here.new_store())
    kernel = read_kernel(subject.vmlinux, subject.folder / "System.map")
    boot = subject.boot("counted")
    boot_with = booted(boot, here.engine("tcg"), _counted_use(subject))
    found = []
    with here.progress.step("count", f"counting the instructions of {subject.name}'s boot") as step:
        for number in range(1, runs + 1):
            step.detail(f"{number} of {runs}")
            found.append(counted_boot(kernel, Application(), plugin=plugin, folder=boot.evidence, boot=boot_with))
    return tuple(found)


def count_alone(here: Workshop, subject: ImageUnderTest) -> Stages:
    """Boot under the counter without a client, however it ends: an application that fails has stages, too.

    :raise BootError: PID 1 was never reached.
    """
    plugin = build_plugin(here.new_store())
    kernel = read_kernel(subject.vmlinux, subject.folder / "System.map")
    boot, is_server = subject.boot("counted"), subject.manifest.run.stop is not None
    with here.progress.step("count", f"counting the instructions of {subject.folder.name}'s boot"):
        drive = booted(boot, here.engine("tcg"), lambda vm: until_it_rests(vm, is_server=is_server))
        return counted_boot(kernel, Application(), plugin=plugin, folder=boot.evidence, boot=drive)


def until_it_rests(vm: Vm, *, is_server: bool) -> Timeout | End:
    """Wait until the machine has ended; a server is told to quit when it has nothing to do any more.

    :raise BootError: init didn't come to start the application.
    """
    if not is_server:
        return vm.wait(timeout_s=_TIMEOUT_S)
    vm.expect(STARTING, timeout_s=_TIMEOUT_S)
    wait_until_idle(vm)
    if isinstance(vm.wait(timeout_s=0), Timeout):
        vm.quit()
    return vm.wait(timeout_s=_TIMEOUT_S)


def memory_in_use(here: Workshop, subject: ImageUnderTest) -> Mapping[str, int]:
    """Bytes of memory in use at the end of each stage, up to ``ready`` or ``exit``, by a boot of its own.

    :raise VmError: the machine could not be started or driven.
    """
    kernel = read_kernel(subject.vmlinux, subject.folder / "System.map")
    last = "exit" if subject.manifest.run.stop is None else "ready"
    with here.progress.step("memory", f"looking at the memory of {subject.name}'s boot"):
        return occupancy(subject.boot("memory"), here.engine("tcg"), kernel, last=last, timeout_s=_TIMEOUT_S)


def clock(here: Workshop, subject: ImageUnderTest, runs: int) -> Wall:
    """Boot under plain TCG, ``runs`` times; seconds until the exit or the first answer. Raises as :func:`count`."""
    engine, use = here.engine("tcg"), _use(subject)

    def seconds() -> float:
        with Vm.start(subject.boot("timed"), engine) as vm:
            use(vm)
            return vm.elapsed_s

    with here.progress.step("clock", f"timing {subject.name}'s boot, {runs} times"):
        return timed_boots(seconds, runs)


def _use(subject: ImageUnderTest) -> Callable[[Vm], None]:
    """Waits for an application that ends by itself, or for a server's first answer."""
    if subject.manifest.run.stop is None:
        return to_the_end(_TIMEOUT_S)
    first = awaited_check(subject.manifest.verify)
    return lambda vm: check_machine(vm, (first,), None, timeout_s=_TIMEOUT_S).require()


def _counted_use(subject: ImageUnderTest) -> Callable[[Vm], None]:
    """The same, and a server is left alone until it waits: a client's packets would count before it listens."""
    use = _use(subject)
    if subject.manifest.run.stop is None:
        return use

    def later(vm: Vm) -> None:
        started = vm.wait_started(timeout_s=_TIMEOUT_S)
        if not isinstance(started, Started):
            raise vm.failure(started)
        wait_until_idle(vm)
        use(vm)

    return quit_after(later, timeout_s=_TIMEOUT_S)


def wait_until_idle(vm: Vm) -> None:
    """Wait until the guest has nothing to do, has ended, or doesn't come to rest for some seconds.

    Under ``-icount sleep=off`` it doesn't wait for timers: an idle guest waits for outside input.
    """
    idle = 0
    for _ in range(_MOST_LOOKS):
        try:
            is_idle = vm.is_idle()
        except VmError:  # it has just ended, or something is wrong
            if isinstance(vm.wait(timeout_s=_END_GRACE_S), Timeout):
                raise
            return
        idle = idle + 1 if is_idle else 0
        if idle == _IDLE_LOOKS or not isinstance(vm.wait(timeout_s=_BETWEEN_LOOKS_S), Timeout):
            return
