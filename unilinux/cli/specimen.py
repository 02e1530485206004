"""An image that is measured: how it is built, booted, used, counted and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.app.checks import Check, port_of
from unilinux.app.manifest import Manifest
from unilinux.cli.choice import Choice
from unilinux.cli.evidence import evidence_folder
from unilinux.cli.images import build_image
from unilinux.cli.session import Session
from unilinux.core.errors import VmError
from unilinux.image.record import Image
from unilinux.image.request import Plan
from unilinux.kernel.make import OBJECTS
from unilinux.machine.compose import compose
from unilinux.measure.boot.boots import Wall, booted, counted_boot, quit_after, timed_boots, to_the_end
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.boot.stages import Application, Stages
from unilinux.measure.memory.occupancy import occupancy
from unilinux.measure.size.size import Size, measure_size
from unilinux.measure.stock.kernel import STARTING
from unilinux.verify.verify import check_machine
from unilinux.vm.choose import native_engine
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import End, Timeout
from unilinux.vm.vm import Vm

# The same for all images, so that their numbers can be compared.
USUAL_MEMORY_MIB = 128

# On an idle host a boot takes a second; a busy one makes -icount very slow.
_TIMEOUT_S = 600.0

# What init says before it becomes the application.
_STARTED = "^unilinux: init: "
_IDLE_LOOKS = 3  # in a row
_MOST_LOOKS = 200
_BETWEEN_LOOKS_S = 0.05
_END_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A built image, and the machine that it is measured on. Its memory changes the machine, not the image."""

    plan: Plan
    image: Image

    @property
    def manifest(self) -> Manifest:
        """The application's."""
        return self.plan.app.manifest

    @property
    def memory_mib(self) -> int:
        """What the machine has."""
        return self.plan.machine.spec.memory_mib

    def with_memory(self, mib: int) -> Specimen:
        """The same image on a machine with this much memory.

        :raise UsageError: no machine can have that.
        """
        return replace(self, plan=_with_memory(self.plan, mib))

    def describe(self) -> dict[str, Any]:
        """Plain JSON data: which image is measured on which machine."""
        return {
            "image": self.plan.name,
            "app": self.manifest.name,
            "profile": self.plan.profile.name,
            "ring": self.plan.entry.ring,
            "syscall": self.plan.entry.syscall,
            "machine": self.plan.machine.spec.target,
            "memory_mib": self.memory_mib,
            "kernel": self.image.record["kernel"]["version"],
        }

    def boot(self, kind: str) -> Boot:
        """How to boot it once; its logs replace those of the last boot of this kind."""
        evidence = evidence_folder(self.image.folder, kind)
        return Boot(machine=self.plan.machine, kernel=self.image.vmlinux, evidence=evidence, cmdline=self.plan.cmdline)


def build_specimen(here: Session, choice: Choice) -> Specimen:
    """Build the image as ``./x build`` does, for a machine whose ports are forwarded.

    ``choice.memory`` is that of the machine; 0 stands for :data:`USUAL_MEMORY_MIB`.
    """
    plan = replace(choice, memory=0).plan(here)
    reached = _with_memory(plan.forwarding(plan.app.manifest.run.ports), choice.memory or USUAL_MEMORY_MIB)
    return Specimen(plan=reached, image=build_image(here, plan))


def _with_memory(plan: Plan, mib: int) -> Plan:
    return replace(plan, machine=compose(replace(plan.machine.spec, memory_mib=mib)))


def awaited_check(checks: Sequence[Check]) -> Check:
    """What a server is asked first: the first check that talks to it, else the first of all."""
    return next((check for check in checks if port_of(check) is not None), checks[0])


def count(here: Session, specimen: Specimen, runs: int = 1) -> tuple[Stages, ...]:
    """Boot under the instruction counter, ``runs`` times.

    :raise BootError: a boot didn't come to its end, or the server to its first answer.
    :raise VerifyError: the server's first answer was wrong.
    """
    plugin = build_plugin(here.new_store())
    kernel = read_kernel(specimen.image.vmlinux, specimen.image.folder / "System.map")
    boot = specimen.boot("counted")
    boot_with = booted(boot, native_engine("tcg", here.layout.cache), _counted_use(specimen))
    found = []
    with here.progress.step("count", f"counting the instructions of {specimen.plan.name}'s boot") as step:
        for number in range(1, runs + 1):
            step.detail(f"{number} of {runs}")
            found.append(counted_boot(kernel, Application(), plugin=plugin, folder=boot.evidence, boot=boot_with))
    return tuple(found)


def count_alone(here: Session, specimen: Specimen) -> Stages:
    """Boot under the counter without a client, however it ends: an application that fails has stages, too.

    :raise BootError: PID 1 was never reached.
    """
    plugin = build_plugin(here.new_store())
    kernel = read_kernel(specimen.image.vmlinux, specimen.image.folder / "System.map")
    boot, is_server = specimen.boot("counted"), specimen.manifest.run.stop is not None
    with here.progress.step("count", f"counting the instructions of {specimen.image.folder.name}'s boot"):
        engine = native_engine("tcg", here.layout.cache)
        drive = booted(boot, engine, lambda vm: until_it_rests(vm, is_server=is_server))
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


def memory_in_use(here: Session, specimen: Specimen) -> Mapping[str, int]:
    """Bytes of memory in use at the end of each stage, up to ``ready`` or ``exit``, by a boot of its own.

    :raise VmError: the machine could not be started or driven.
    """
    kernel = read_kernel(specimen.image.vmlinux, specimen.image.folder / "System.map")
    last = "exit" if specimen.manifest.run.stop is None else "ready"
    with here.progress.step("memory", f"looking at the memory of {specimen.plan.name}'s boot"):
        engine = native_engine("tcg", here.layout.cache)
        return occupancy(specimen.boot("memory"), engine, kernel, last=last, timeout_s=_TIMEOUT_S)


def clock(here: Session, specimen: Specimen, runs: int) -> Wall:
    """Boot under plain TCG, ``runs`` times; seconds until the exit or the first answer. Raises as :func:`count`."""
    engine, use = native_engine("tcg", here.layout.cache), _use(specimen)

    def seconds() -> float:
        with Vm.start(specimen.boot("timed"), engine) as vm:
            use(vm)
            return vm.elapsed_s

    with here.progress.step("clock", f"timing {specimen.plan.name}'s boot, {runs} times"):
        return timed_boots(seconds, runs)


def _use(specimen: Specimen) -> Callable[[Vm], None]:
    """Waits for an application that ends by itself, or for a server's first answer."""
    if specimen.manifest.run.stop is None:
        return to_the_end(_TIMEOUT_S)
    first = awaited_check(specimen.manifest.verify)
    return lambda vm: check_machine(vm, (first,), None, timeout_s=_TIMEOUT_S).require()


def _counted_use(specimen: Specimen) -> Callable[[Vm], None]:
    """The same, and a server is left alone until it waits: a client's packets would count before it listens."""
    use = _use(specimen)
    if specimen.manifest.run.stop is None:
        return use

    def later(vm: Vm) -> None:
        vm.expect(_STARTED, timeout_s=_TIMEOUT_S)
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


def sizes(here: Session, folder: Path, inputs: dict[str, str]) -> Size:
    """Bytes of the image in ``folder``; ``inputs`` are those of its ``image.json``.

    Object files are told apart as long as the cache has them.
    """
    objects = here.new_store().lookup("kernel-objects", inputs.get("kernel-objects", ""))
    return measure_size(folder / "vmlinux.debug", objects.path / OBJECTS / "vmlinux.a" if objects else None)
