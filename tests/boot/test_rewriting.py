# SPDX-License-Identifier: GPL-2.0-only
"""Debian's C library, its loader and its busybox, rewritten: they do the same, and their system calls use the gate."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import ENGINE, Workshop
from tests.boot.test_binaries import BUSYBOX_VERSION, LIBRARIES, LOADER, PACKAGES, library
from unilinux.core.events import NullSink, Progress
from unilinux.fetch.fetcher import Fetcher
from unilinux.fetch.unpack import unpack_package
from unilinux.image.record import Image
from unilinux.measure.boot.counter import CounterPlan, Counts, Watch, build_plugin, counting, read_counts
from unilinux.measure.boot.kernel import read_kernel
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

_SHARE = 0.98  # of the system calls that are made go through the gate
_ENTRIES: Mapping[str, tuple[str, ...]] = {
    "trap": ("entry_SYSCALL_64",),
    "gate": ("ring0_gate_call", "ring0_gate_jmp"),
}
_BUSYBOX = "busybox-static"
COMMANDS: Mapping[str, str] = {"foreign": "/bin/foreign", "busybox": f"/bin/{_BUSYBOX} sh /script {_BUSYBOX}"}


@pytest.fixture(scope="module")
def guest(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> alone.Guest:
    folder = tmp_path_factory.mktemp("rewriting")
    foreign, busybox = folder / "foreign", folder / _BUSYBOX
    command: list[str | Path] = ["gcc", "-O2", "-w", "-fexceptions", "-fno-builtin", "-pthread", "-pie", "-s"]
    source = alone.GUESTS / "alone/foreign.c"
    subprocess.run([*command, "-I", alone.GUESTS, "-o", foreign, source], check=True)
    fetcher = Fetcher(workshop.layout, Progress(NullSink()))
    unpack_package(fetcher.debian_package(_BUSYBOX, BUSYBOX_VERSION, PACKAGES[_BUSYBOX]).path, busybox)
    files = {
        "/script": alone.GUESTS / "alone/script.sh",
        "/bin/foreign": foreign,
        f"/bin/{_BUSYBOX}": busybox / "bin/busybox",
        "/bin/sh": busybox / "bin/busybox",  # for popen() and system()
        str(LOADER): LOADER.resolve(),
        **{f"/lib/x86_64-linux-gnu/{name}": library(name) for name in LIBRARIES},
    }
    return alone.Guest(
        name="rewriting",
        main="launch",
        sources=("alone/word.h", "gate.h", "guest.h"),
        files=tuple(files.items()),
        argv=("/bin/guest-rewriting", *COMMANDS.values()),
        memory_mib=256,
    )


def counted(workshop: Workshop, image: Image, folder: Path, only: str) -> tuple[tuple[str, ...], Counts]:
    """Boot an image to its end: its lines, and how often the kernel was entered by which way."""
    symbols = read_kernel(image.vmlinux, image.folder / "System.map").symbols
    watches = tuple(
        Watch(name=way, addresses=tuple(symbols[name] for name in names if name in symbols))
        for way, names in _ENTRIES.items()
    )
    plan = CounterPlan(watches=watches)
    (folder / "plan").write_text(plan.text())
    plugin = counting(build_plugin(workshop.pipeline().store), folder / "plan", folder / "counts")
    boot = replace(alone.boot_of(image, folder / "evidence", f"only={only}"), plugin=plugin)
    with Vm.start(boot, ENGINE) as vm:
        vm.wait(timeout_s=1200.0)
        lines = tuple(line.text for line in vm.console.lines())
    return lines, read_counts((folder / "counts").read_text(), plan)


@pytest.mark.parametrize("program", COMMANDS)
@pytest.mark.parametrize(("ring", "syscall"), [(3, "trap"), (0, "trap"), (0, "gate"), (0, "lean")])
def test_it_does_the_same_and_calls_the_gate(
    workshop: Workshop, guest: alone.Guest, tmp_path: Path, ring: int, syscall: str, program: str
) -> None:
    image = alone.build(workshop, guest, ring=ring, syscall=syscall)
    lines, counts = counted(workshop, image, tmp_path, COMMANDS[program])
    assert f"launch {COMMANDS[program]}: exit 0" in lines
    reports = alone.reports(lines)
    assert not {case: said for case, said in reports.items() if not said.startswith("pass")}
    assert len(reports) >= 12
    share = counts.hits["gate"] / (counts.hits["gate"] + counts.hits["trap"])
    assert share >= _SHARE if syscall != "trap" else share == 0


def test_the_image_says_what_was_rewritten(workshop: Workshop, guest: alone.Guest) -> None:
    record = alone.build(workshop, guest).record
    rewritten = {entry["file"]: entry for entry in record["rewritten"]}
    libc, loader = (rewritten[path] for path in ("/lib/x86_64-linux-gnu/libc.so.6", str(LOADER)))
    assert libc["found"] > 500
    assert libc["left"] == loader["left"] == rewritten[f"/bin/{_BUSYBOX}"]["left"] == 1
    assert list(libc["left_because"]) == ["unwinders and debuggers know the return from a signal by its bytes"]
    assert not any("hlt" in found["instruction"] for found in record["privileged_instructions"])
    assert alone.build(workshop, guest, syscall="trap").record["rewritten"] == []
