# SPDX-License-Identifier: GPL-2.0-only
"""A stock kernel compared with ours: the same application, machine and counter, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from unilinux.core.errors import BootError, UsageError
from unilinux.image.entry import Entry
from unilinux.kernel.stock import PinnedPackage, StockKernel, find_stock_kernel, stock_kernel
from unilinux.link.initramfs import Initramfs
from unilinux.measure.boot.boots import Wall, booted, counted_boot, timed_boots
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.stages import Application, Stages
from unilinux.measure.memory.occupancy import occupancy
from unilinux.measure.stock.kernel import CMDLINE, STARTING, application_of, kernel_of, require_end_of_pid1
from unilinux.ops.build import pipeline
from unilinux.ops.counting import until_it_rests
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.vm import Vm

# Debian's kernel takes 2 s on an idle host. On a busy one it can hang while it calibrates its clocks, and
# it crashed once in some twenty under QEMU 7.2, just after a CMPXCHG16B, with flags that look wrong.
_TIMEOUT_S = 120.0
_TRIES = 3

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class StockBoot:
    """A kernel as others ship it, with how it boots the application: in ring 3, as it enters any kernel."""

    kernel: StockKernel
    summary: str
    label: str
    boot: Boot
    application: Application
    is_server: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StockComparison:
    """What the stock kernel's boot took, and the wall time of both until init starts the application."""

    stock: StockBoot
    boot: Stages
    wall: Wall
    our_wall: Wall

    def document(self) -> dict[str, Any]:
        """Plain JSON data: ``against`` of the boot task's answer."""
        counted = self.boot.document()
        return {
            "name": self.stock.kernel.name,
            "summary": self.stock.summary,
            "package": self.stock.kernel.package,
            "version": self.stock.kernel.version,
            "cmdline": " ".join(self.stock.boot.cmdline),
            "bzImage": self.stock.kernel.bzimage.stat().st_size,
            "symbols": bool(self.boot.initcalls),
            "stages": counted["stages"],
            "exits": counted["exits"],
            "total": counted["total"],
            "wall_to_application": {"theirs": self.wall.document(), "ours": self.our_wall.document()},
        }


def pinned_stock_kernel(here: Workshop, name: str) -> PinnedPackage:
    """The kernel that ``--against`` names, before anything is built.

    :raise UsageError: there is none of that name.
    """
    return find_stock_kernel(here.layout.project, name)


def prepare_stock_boot(here: Workshop, subject: ImageUnderTest, pinned: PinnedPackage) -> StockBoot:
    """Fetch the kernel, and build the subject's application for it: a stock kernel has no ring 0 and no gate.

    :raise UsageError: the image wasn't built in this run.
    :raise DownloadError: the package could not be had.
    """
    if subject.plan is None:
        raise UsageError(
            f"{subject.folder} is a finished image: its application can't be built for {pinned.name}",
            hint="name the application instead of the folder",
        )
    with here.progress.step("against", f"fetching {pinned.name}"):
        kernel = stock_kernel(pinned, fetcher=here.new_fetcher(), store=here.new_store(), progress=here.progress)
        # The image's own plan: templates see the memory that the image was built for.
        plan = replace(subject.plan.packed(Initramfs()), entry=Entry(ring=3, syscall="trap"))
        contents = pipeline(here).contents(plan)
    boot = Boot(
        machine=subject.machine.with_root(None).without_cmdline(),
        kernel=kernel.bzimage,
        initrd=contents.initrd,
        evidence=evidence_folder(subject.folder, kernel.name),
        cmdline=(*CMDLINE, *subject.words),
        advised=False,
    )
    return StockBoot(
        kernel=kernel,
        summary=pinned.summary,
        boot=boot,
        application=application_of(contents.files.entries, plan.app.manifest.run.argv),
        is_server=plan.app.manifest.run.stop is not None,
        label=f"{kernel.name} {kernel.version} with {plan.app.manifest.name}",
    )


def count_stock_boot(here: Workshop, stock: StockBoot) -> Stages:
    """Count its boot, once, up to the application's end; a server's until it waits.

    :raise BootError: it didn't come so far, with what the console said; a boot that fails is tried again.
    """
    plugin, engine = build_plugin(here.new_store()), here.engine("tcg")
    kernel = kernel_of(
        stock.boot, engine, stock.application, store=here.new_store(), progress=here.progress, timeout_s=_TIMEOUT_S
    )
    boot = booted(stock.boot, engine, lambda vm: _to_the_end(vm, stock))
    with here.progress.step("count-against", f"counting the instructions of {stock.label}"):
        counted = _tried(
            here,
            stock,
            lambda: counted_boot(kernel, stock.application, plugin=plugin, folder=stock.boot.evidence, boot=boot),
        )
    with here.progress.step("memory-against", f"looking at the memory of {stock.label}"):
        last = "ready" if stock.is_server else "exit"
        return counted.with_memory(occupancy(stock.boot, engine, kernel, last=last, timeout_s=_TIMEOUT_S))


def compare_with_stock(here: Workshop, subject: ImageUnderTest, pinned: PinnedPackage, *, runs: int) -> StockComparison:
    """Count and time the other kernel's boot; raises as :func:`prepare_stock_boot` and :func:`count_stock_boot` do."""
    stock = prepare_stock_boot(here, subject, pinned)
    counted = count_stock_boot(here, stock)
    engine = here.engine("tcg")
    with here.progress.step("clock-against", f"timing both until init starts {subject.manifest.name}"):
        theirs = timed_boots(lambda: _tried(here, stock, lambda: _seconds_to_start(stock.boot, engine)), runs)
        ours = timed_boots(lambda: _seconds_to_start(subject.boot("timed"), engine), runs)
    return StockComparison(stock=stock, boot=counted, wall=theirs, our_wall=ours)


def _seconds_to_start(boot: Boot, engine: Engine) -> float:
    with Vm.start(boot, engine) as vm:
        return vm.expect(STARTING, timeout_s=_TIMEOUT_S).seconds


def _to_the_end(vm: Vm, stock: StockBoot) -> None:
    outcome = until_it_rests(vm, is_server=stock.is_server)
    if not stock.is_server:
        require_end_of_pid1(vm, outcome)


def _tried(here: Workshop, stock: StockBoot, boot: Callable[[], _Result]) -> _Result:
    """The result of a boot, or of the next one when it failed, which is said."""
    for attempt in range(1, _TRIES):
        try:
            return boot()
        except BootError as error:
            here.progress.note(f"{stock.label} failed, try {attempt} of {_TRIES}: {error.message}")
    return boot()
