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
    "sigreturn": ("__x64_sys_rt_sigreturn",),
}
# Debian's packages, by names of which none begins with another one.
_BUSYBOXES = {"busybox-static": "busybox-static", "busybox-dynamic": "busybox"}
_SCRIPTS = {name: f"/bin/{name} sh /script {name}" for name in _BUSYBOXES}
_RUNGS = ((3, "trap"), (0, "trap"), (0, "gate"), (0, "lean"))
_LIBC = "/lib/x86_64-linux-gnu/libc.so.6"
# What isn't of glibc: Debian's packages, and the commands that need them.
_OTHERS: Mapping[str, tuple[str, str]] = {
    "fzf": ("0.38.0-1+b1", "5dddf8e2bd85956dc037711fbc9ee081cac81254cf706895c625cf9393140005"),
    "musl": ("1.2.3-1", "4fc1e3d9b579f5c682ca99a4d45aec08d72a2e6b82b4c2e1bbcb7095466ae96d"),
    "musl-dev": ("1.2.3-1", "7c34f29a0c1aa12f6da1d25ed6de6fe6bbd9e048ee76b3dcb88c5e51fb65507f"),
}
_OTHER_COMMANDS = {"musl": "/bin/workload-musl", "go": "/bin/busybox-static sh /go.sh"}
_MUSL = "lib/x86_64-linux-musl"


def guest(workshop: Workshop, folder: Path, program: str, *flags: str) -> alone.Guest:
    """A program of ``tests/guest/alone``, linked with the host's C library, and Debian's busyboxes."""
    binary = folder / program
    command: list[str | Path] = ["gcc", "-O2", "-w", "-fno-builtin", "-pthread", "-pie", "-s", *flags, "-o", binary]
    subprocess.run([*command, "-I", alone.GUESTS, alone.GUESTS / f"alone/{program}.c"], check=True)
    fetcher = Fetcher(workshop.layout, Progress(NullSink()))
    files = {"/script": alone.GUESTS / "alone/script.sh", f"/bin/{program}": binary, str(LOADER): LOADER.resolve()}
    files |= {f"/lib/x86_64-linux-gnu/{name}": library(name) for name in LIBRARIES}
    for name, package in _BUSYBOXES.items():
        unpack_package(fetcher.debian_package(package, BUSYBOX_VERSION, PACKAGES[package]).path, folder / package)
        files[f"/bin/{name}"] = folder / package / "bin/busybox"
    files["/bin/sh"] = files["/bin/busybox-dynamic"]  # for popen() and system()
    return alone.Guest(
        name=f"launch-{program}",
        main="launch",
        sources=("alone/word.h", "gate.h", "guest.h"),
        files=tuple(files.items()),
        argv=(f"/bin/guest-launch-{program}", f"/bin/{program}", *_SCRIPTS.values()),
        memory_mib=256,
    )


@pytest.fixture(scope="module")
def foreign(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> alone.Guest:
    """It cancels threads, so some calls stay traps."""
    return guest(workshop, tmp_path_factory.mktemp("foreign"), "foreign", "-fexceptions")


@pytest.fixture(scope="module")
def workload(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> alone.Guest:
    """It doesn't."""
    return guest(workshop, tmp_path_factory.mktemp("workload"), "workload")


@pytest.fixture(scope="module")
def others(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> alone.Guest:
    """A dynamic program of Debian's musl, and one in Go."""
    folder = tmp_path_factory.mktemp("others")
    own = guest(workshop, folder, "workload")
    fetcher = Fetcher(workshop.layout, Progress(NullSink()))
    for package, (version, sha256) in _OTHERS.items():
        unpack_package(fetcher.debian_package(package, version, sha256).path, folder / package)
    files = {
        **dict(own.files),
        "/go.sh": alone.GUESTS / "alone/go.sh",
        "/bin/fzf": folder / "fzf/usr/bin/fzf",
        "/bin/workload-musl": with_musl(folder),
        "/lib/ld-musl-x86_64.so.1": folder / "musl" / _MUSL / "libc.so",
    }
    return replace(
        own,
        name="launch-others",
        files=tuple(files.items()),
        argv=("/bin/guest-launch-others", *_OTHER_COMMANDS.values()),
    )


def with_musl(folder: Path) -> Path:
    """The workload, linked with the packages' musl; headers of the kernel are the host's."""
    binary, parts = folder / "workload-musl", folder / "musl-dev/usr" / _MUSL
    headers = (folder / "musl-dev/usr/include/x86_64-linux-musl", library("include"))
    command: list[str | Path] = [
        "gcc",
        "-O2",
        "-w",
        "-fno-builtin",
        "-fno-stack-protector",
        "-pie",
        "-fPIE",
        "-nostdlib",
    ]
    command += ["-nostdinc", *(word for path in headers for word in ("-isystem", path))]
    command += [f"-idirafter{path}" for path in ("/usr/include", "/usr/include/x86_64-linux-gnu")]
    command += ["-I", alone.GUESTS, parts / "Scrt1.o", parts / "crti.o", alone.GUESTS / "alone/workload.c"]
    command += ["-L", folder / "musl" / _MUSL, "-lc", parts / "crtn.o"]
    subprocess.run([*command, "-Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1", "-o", binary], check=True)
    return binary


def counted(workshop: Workshop, image: Image, folder: Path, command: str) -> Counts:
    """Run one command of an image, which must pass: how often the kernel was entered by which way."""
    symbols = read_kernel(image.vmlinux, image.folder / "System.map").symbols
    watches = tuple(
        Watch(name=way, addresses=tuple(symbols[name] for name in names if name in symbols))
        for way, names in _ENTRIES.items()
    )
    plan = CounterPlan(watches=watches)
    (folder / "plan").write_text(plan.text())
    plugin = counting(build_plugin(workshop.pipeline().store), folder / "plan", folder / "counts")
    boot = replace(alone.boot_of(image, folder / "evidence", f"only={command.split(maxsplit=1)[0]}"), plugin=plugin)
    with Vm.start(boot, ENGINE) as vm:
        vm.wait(timeout_s=1200.0)
        lines = tuple(line.text for line in vm.console.lines())
    assert not {case: said for case, said in alone.reports(lines).items() if not said.startswith("pass")}
    assert f"launch {command}: exit 0" in lines
    return read_counts((folder / "counts").read_text(), plan)


# By SYSCALL in ring 0 nothing is rewritten, and its HLT waits.
@pytest.mark.parametrize(("ring", "syscall"), [rung for rung in _RUNGS if rung != (0, "trap")])
def test_a_program_of_everything_a_c_library_offers_passes(
    workshop: Workshop, foreign: alone.Guest, tmp_path: Path, ring: int, syscall: str
) -> None:
    image = alone.build(workshop, foreign, ring=ring, syscall=syscall)
    counts = counted(workshop, image, tmp_path, "/bin/foreign")
    assert (counts.hits["gate"] > 1000) == (syscall != "trap")


@pytest.mark.parametrize("command", ["/bin/workload", *_SCRIPTS.values()], ids=["workload", *_SCRIPTS])
@pytest.mark.parametrize(("ring", "syscall"), _RUNGS)
def test_nearly_all_system_calls_go_through_the_gate(
    workshop: Workshop, workload: alone.Guest, tmp_path: Path, ring: int, syscall: str, command: str
) -> None:
    image = alone.build(workshop, workload, ring=ring, syscall=syscall)
    hits = counted(workshop, image, tmp_path, command).hits
    # The return from a signal's handler is always a trap.
    made = hits["gate"] + hits["trap"] - hits["sigreturn"]
    share = hits["gate"] / made
    assert share >= _SHARE if syscall != "trap" else share == 0


@pytest.mark.parametrize("command", _OTHER_COMMANDS.values(), ids=_OTHER_COMMANDS)
@pytest.mark.parametrize(("ring", "syscall"), _RUNGS)
def test_musl_and_go(
    workshop: Workshop, others: alone.Guest, tmp_path: Path, ring: int, syscall: str, command: str
) -> None:
    image = alone.build(workshop, others, ring=ring, syscall=syscall)
    hits = counted(workshop, image, tmp_path, command).hits
    share = hits["gate"] / (hits["gate"] + hits["trap"] - hits["sigreturn"])
    assert share >= 0.9 if syscall != "trap" else share == 0


def test_the_image_says_what_was_rewritten(workshop: Workshop, foreign: alone.Guest, workload: alone.Guest) -> None:
    record = alone.build(workshop, workload).record
    rewritten = {entry["file"]: entry for entry in record["rewritten"]}
    assert rewritten[_LIBC]["found"] > 500
    assert list(rewritten[_LIBC]["left_because"].values()) == [1]
    assert rewritten[str(LOADER)]["left"] == 1
    assert not any("hlt" in found["instruction"] for found in record["privileged_instructions"])
    cancelled = {entry["file"]: entry for entry in alone.build(workshop, foreign).record["rewritten"]}
    assert 20 < cancelled[_LIBC]["left"] < 100
    assert alone.build(workshop, workload, syscall="trap").record["rewritten"] == []
