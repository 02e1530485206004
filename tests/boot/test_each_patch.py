# SPDX-License-Identifier: GPL-2.0-only
"""Each patch, on those before it and without those after it, makes a kernel that builds and boots an application."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, PROJECT, Workshop
from unilinux.core.events import NullSink, Progress
from unilinux.core.files import remove_tree, write_if_changed
from unilinux.fetch.fetcher import Fetcher
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kernel.kbuild import SYSCALLS, parse_config, system_call_list
from unilinux.kernel.make import OBJECTS, compiler_wrapper, make, view
from unilinux.kernel.patches import Patches
from unilinux.kernel.worktree import Worktree
from unilinux.verify.result import Entry
from unilinux.verify.verify import verify
from unilinux.vm.engine import Boot
from unilinux.vm.vm import Vm

SERIES = {
    kernel: sorted(path.stem for path in (PROJECT / f"patches/linux-{kernel}").glob("*.patch"))
    for kernel in ("6.12", "6.1")
}

# From this patch on, the kernel reports which ring it starts PID 1 in, and how that ends. Before, the console does.
FIRST_TELLING = {
    kernel: next(number for number, patch in enumerate(patches, start=1) if "init-tell-the-host" in patch)
    for kernel, patches in SERIES.items()
}

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Bench:
    """The series as commits, and a folder of objects that goes from one to the next: make compiles what changed."""

    workshop: Workshop
    kernel: str
    worktree: Worktree
    folder: Path

    def plan(self, entry: Entry) -> Plan:
        return make_plan(
            Request(app="hello", kernel=self.kernel, ring=entry.ring, syscall=entry.syscall), self.workshop.layout
        )

    def build(self, number: int) -> tuple[Path, Entry]:
        """The kernel with the first ``number`` patches, and the highest rung that it offers."""
        commits = self.worktree.git("rev-list", "--reverse", "base..series").split()
        self.worktree.git("checkout", "--quiet", commits[number - 1])
        pipeline = self.workshop.pipeline()
        place = view(self.worktree.path, self.folder / "view")
        objects = place / OBJECTS
        (objects / ".config").write_text(pipeline.config(self.plan(Entry(ring=0, syscall="lean"))).config)
        self.make(place, "olddefconfig")  # drops what later patches bring
        entry = offered(parse_config((objects / ".config").read_text()))
        contents = pipeline.contents(self.plan(entry))
        for name, file in contents.cargo.files.items():
            write_if_changed(objects / name, file.read_bytes())
        write_if_changed(objects / SYSCALLS, system_call_list(contents.kept))
        self.make(place, "vmlinux")
        vmlinux = self.folder / "vmlinux"
        subprocess.run(["strip", "--strip-all", "-o", vmlinux, objects / "vmlinux"], check=True)
        return vmlinux, entry

    def make(self, place: Path, goal: str) -> None:
        tools = compiler_wrapper(self.folder / "tools", self.workshop.layout.compiler_cache)
        with Progress(NullSink()).step("patch", goal) as step:
            make(place, [goal], tools=tools, log=self.folder / "log", step=step, label=goal)


def offered(config: Mapping[str, str]) -> Entry:
    """The highest rung of a configuration."""
    for option, entry in (
        ("UNILINUX_LEAN_GATE", Entry(ring=0, syscall="lean")),
        ("UNILINUX_GATE", Entry(ring=0, syscall="gate")),
        ("UNILINUX_RING0", Entry(ring=0, syscall="trap")),
    ):
        if config.get(option) == "y":
            return entry
    return Entry(ring=3, syscall="trap")


@pytest.fixture(scope="module")
def bench_for(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Bench]]:
    """The bench of a kernel, made once. (A parameter of this fixture would make it anew for each test.)"""
    made: dict[str, Bench] = {}

    def bench(kernel: str) -> Bench:
        if kernel not in made:
            folder = tmp_path_factory.mktemp("patches")
            store = workshop.pipeline().store
            progress = Progress(NullSink())
            fetcher = Fetcher(workshop.layout, progress)
            patches = Patches(layout=workshop.layout, fetcher=fetcher, store=store, progress=progress)
            worktree = patches.checkout(kernel, folder / "linux")
            worktree.git("tag", "series")
            made[kernel] = Bench(workshop, kernel, worktree, folder)
        return made[kernel]

    yield bench
    for one in made.values():
        remove_tree(one.folder)


@pytest.mark.parametrize(
    ("kernel", "number"),
    [
        pytest.param(kernel, number, id=f"{kernel}-{patch}")
        for kernel, patches in SERIES.items()
        for number, patch in enumerate(patches, start=1)
    ],
)
def test_kernel_up_to_this_patch_boots(
    bench_for: Callable[[str], Bench], kernel: str, number: int, tmp_path: Path
) -> None:
    bench = bench_for(kernel)
    vmlinux, entry = bench.build(number)
    plan = bench.plan(entry)
    boot = Boot(machine=plan.machine, kernel=vmlinux, evidence=tmp_path / "evidence", cmdline=plan.cmdline)
    if number >= FIRST_TELLING[kernel]:
        verify(boot, ENGINE, plan.app.manifest, entry=entry, progress=Progress(NullSink())).require()
    else:
        with Vm.start(boot, ENGINE) as vm:
            for line in ("^Hello from UniLinux", "10 ms have passed", "init exited with status 0"):
                vm.expect(line, timeout_s=60)
    if number == len(SERIES[kernel]):
        assert entry.syscall == "lean"
