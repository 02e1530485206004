"""Somebody else's kernel beside ours: the same application, machine and counter, in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from unilinux.cli.evidence import evidence_folder
from unilinux.cli.images import pipeline
from unilinux.cli.session import Session
from unilinux.cli.side_by_side import stages_table
from unilinux.cli.specimen import Specimen, until_it_rests
from unilinux.core.errors import BootError
from unilinux.image.entry import Entry
from unilinux.kernel.stock import PinnedPackage, StockKernel, find_stock_kernel, stock_kernel
from unilinux.measure.boot.boots import Wall, booted, counted_boot, timed_boots
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.stages import Application, Stages
from unilinux.measure.memory.occupancy import occupancy
from unilinux.measure.stock.kernel import CMDLINE, STARTING, application_of, kernel_of, require_end_of_pid1
from unilinux.vm.choose import native_engine
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.vm import Vm

# Debian's kernel takes 2 s on an idle host. On a busy one it can hang while it calibrates its clocks, and
# it crashed once in some twenty under QEMU 7.2, just after a CMPXCHG16B, with flags that look wrong.
_TIMEOUT_S = 120.0
_TRIES = 3

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A kernel as others ship it, with how it boots the application: in ring 3, as it enters any kernel."""

    stock: StockKernel
    summary: str
    label: str
    boot: Boot
    application: Application
    is_server: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What the other kernel's boot took, and the wall time of both until init starts the application."""

    rival: Rival
    boot: Stages
    wall: Wall
    our_wall: Wall

    def document(self) -> dict[str, Any]:
        """Plain JSON data: ``against`` of the boot task's answer."""
        counted = self.boot.document()
        return {
            "name": self.rival.stock.name,
            "summary": self.rival.summary,
            "package": self.rival.stock.package,
            "version": self.rival.stock.version,
            "cmdline": " ".join(self.rival.boot.cmdline),
            "bzImage": self.rival.stock.bzimage.stat().st_size,
            "symbols": bool(self.boot.initcalls),
            "stages": counted["stages"],
            "total": counted["total"],
            "wall_to_application": {"theirs": self.wall.document(), "ours": self.our_wall.document()},
        }


def pinned_rival(here: Session, name: str) -> PinnedPackage:
    """The kernel that ``--against`` names, before anything is built.

    :raise UsageError: there is none of that name.
    """
    return find_stock_kernel(here.layout.project, name)


def prepare_rival(here: Session, specimen: Specimen, pinned: PinnedPackage) -> Rival:
    """Fetch the kernel, and build the specimen's application for it: a stock kernel has no ring 0 and no gate.

    :raise DownloadError: the package could not be had.
    """
    with here.progress.step("against", f"fetching {pinned.name}"):
        stock = stock_kernel(pinned, fetcher=here.new_fetcher(), store=here.new_store(), progress=here.progress)
        # The image's own plan: templates see the memory that the image was built for.
        plan = replace(specimen.image.plan, entry=Entry(ring=3, syscall="trap"))
        contents = pipeline(here).contents(plan)
    boot = Boot(
        machine=specimen.plan.machine.without_cmdline(),
        kernel=stock.bzimage,
        initrd=contents.initrd,
        evidence=evidence_folder(specimen.image.folder, stock.name),
        cmdline=(*CMDLINE, *specimen.plan.cmdline),
        advised=False,
    )
    return Rival(
        stock=stock,
        summary=pinned.summary,
        boot=boot,
        application=application_of(contents.files.entries, plan.app.manifest.run.argv),
        is_server=plan.app.manifest.run.stop is not None,
        label=f"{stock.name} {stock.version} with {plan.app.manifest.name}",
    )


def count_rival(here: Session, rival: Rival) -> Stages:
    """Count its boot, once, up to the application's end; a server's until it waits.

    :raise BootError: it didn't come so far, with what the console said; a boot that fails is tried again.
    """
    plugin, engine = build_plugin(here.new_store()), native_engine("tcg", here.layout.cache)
    kernel = kernel_of(
        rival.boot, engine, rival.application, store=here.new_store(), progress=here.progress, timeout_s=_TIMEOUT_S
    )
    boot = booted(rival.boot, engine, lambda vm: _to_the_end(vm, rival))
    with here.progress.step("count-against", f"counting the instructions of {rival.label}"):
        counted = _tried(
            here,
            rival,
            lambda: counted_boot(kernel, rival.application, plugin=plugin, folder=rival.boot.evidence, boot=boot),
        )
    with here.progress.step("memory-against", f"looking at the memory of {rival.label}"):
        last = "ready" if rival.is_server else "exit"
        return counted.with_memory(occupancy(rival.boot, engine, kernel, last=last, timeout_s=_TIMEOUT_S))


def beside(here: Session, specimen: Specimen, pinned: PinnedPackage, *, runs: int) -> Beside:
    """Count and time the other kernel's boot; raises as :func:`prepare_rival` and :func:`count_rival` do."""
    rival = prepare_rival(here, specimen, pinned)
    counted = count_rival(here, rival)
    engine = native_engine("tcg", here.layout.cache)
    with here.progress.step("clock-against", f"timing both until init starts {specimen.manifest.name}"):
        theirs = timed_boots(lambda: _tried(here, rival, lambda: _seconds_to_start(rival.boot, engine)), runs)
        ours = timed_boots(lambda: _seconds_to_start(specimen.boot("timed"), engine), runs)
    return Beside(rival=rival, boot=counted, wall=theirs, our_wall=ours)


def _seconds_to_start(boot: Boot, engine: Engine) -> float:
    with Vm.start(boot, engine) as vm:
        return vm.expect(STARTING, timeout_s=_TIMEOUT_S).seconds


def _to_the_end(vm: Vm, rival: Rival) -> None:
    outcome = until_it_rests(vm, is_server=rival.is_server)
    if not rival.is_server:
        require_end_of_pid1(vm, outcome)


def _tried(here: Session, rival: Rival, boot: Callable[[], _Result]) -> _Result:
    """The result of a boot, or of the next one when it failed, which is said."""
    for attempt in range(1, _TRIES):
        try:
            return boot()
        except BootError as error:
            here.progress.note(f"{rival.label} failed, try {attempt} of {_TRIES}: {error.message}")
    return boot()


def beside_text(ours: str, boot: Stages, other: Beside) -> str:
    """Both boots in one table, for people."""
    stock = other.rival.stock
    lines = [
        f"against {other.rival.label} ({other.rival.summary}), which is told: {' '.join(other.rival.boot.cmdline)}",
        stages_table((ours, stock.name), (boot, other.boot)).rstrip("\n"),
    ]
    if not other.boot.initcalls:
        lines.append("(its symbols aren't known: the stages of its kernel can't be told apart, and are all in pid1)")
    times, factors = [], []
    for stage in ("pid1", "main"):
        here, there = boot.instructions(stage), other.boot.instructions(stage)
        if here and there:
            factors.append(f"{there / here:.0f} times to {stage}")
    if factors:
        lines.append(f"instructions since reset: {', '.join(factors)}")
    for name, wall in ((ours, other.our_wall), (stock.name, other.wall)):
        times.append(f"{name} {wall.median_s:.2f} s ({wall.least_s:.2f} to {wall.most_s:.2f})")
    lines.append(f"wall time under plain TCG until init starts the application: {', '.join(times)}")
    return "\n".join(lines)
