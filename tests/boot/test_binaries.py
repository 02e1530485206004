# SPDX-License-Identifier: GPL-2.0-only
"""Programs with Debian's glibc, rewritten for ring 0: static and dynamic, at any address or not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop
from unilinux.core.events import NullSink, Progress
from unilinux.fetch.fetcher import Fetcher
from unilinux.fetch.unpack import unpack_package

BUSYBOX_VERSION = "1:1.35.0-4+deb12u1+b1"
# Debian's packages: one program linked statically at a fixed address, one dynamically at any address.
PACKAGES: Mapping[str, str] = {
    "busybox-static": "3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744",
    "busybox": "4b355fad07d4fe1f5aa282e949281f8dcb7bcdebb023d7e40f4f8fe475e21e29",
}
# Attack programs as the host's compiler makes them, with the host's glibc.
_LINKED: Mapping[str, tuple[str, ...]] = {
    "dynamic-pie": ("-pie",),
    "dynamic": ("-no-pie",),
    "static-pie": ("-static-pie",),
}
_ATTACKS = ("gate", "process")
LOADER = Path("/lib64/ld-linux-x86-64.so.2")
# libgcc_s is what pthread_cancel() loads.
LIBRARIES = ("libc.so.6", "libgcc_s.so.1", "libm.so.6", "libresolv.so.2")

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what its cases said."""

    end: str
    cases: Mapping[str, str]


def commands() -> dict[str, str]:
    """The command of each program, by the program's name."""
    scripts = {name: f"/bin/{name} sh /script {name}" for name in PACKAGES}
    attacks = {f"{attack}-{kind}": f"/bin/{attack}-{kind}" for attack in _ATTACKS for kind in _LINKED}
    return {**scripts, **attacks}


def compiled(folder: Path) -> dict[str, Path]:
    """The attack programs, linked in each way."""
    made = {}
    for attack in _ATTACKS:
        for kind, options in _LINKED.items():
            target = folder / f"{attack}-{kind}"
            source = alone.GUESTS / f"{attack}.c"
            subprocess.run(["gcc", "-O2", "-w", "-pthread", *options, "-s", "-o", target, source], check=True)
            made[f"/bin/{target.name}"] = target
    return made


def library(name: str) -> Path:
    """A library of the host's C library."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip()).resolve()


@pytest.fixture(scope="module")
def guest(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> alone.Guest:
    folder = tmp_path_factory.mktemp("binaries")
    fetcher = Fetcher(workshop.layout, Progress(NullSink()))
    files = {"/script": alone.GUESTS / "alone/script.sh", **compiled(folder), str(LOADER): LOADER.resolve()}
    files |= {f"/lib/x86_64-linux-gnu/{name}": library(name) for name in LIBRARIES}
    for package, sha256 in PACKAGES.items():
        unpack_package(fetcher.debian_package(package, BUSYBOX_VERSION, sha256).path, folder / package)
        files[f"/bin/{package}"] = folder / package / "bin/busybox"
    return alone.Guest(
        name="launch",
        sources=("alone/word.h", "gate.h", "guest.h"),
        files=tuple(files.items()),
        argv=("/bin/guest-launch", *commands().values()),
        memory_mib=256,
    )


# The programs whose commands begin so run in one boot.
_GROUPS: Mapping[str, str] = {"busybox": "/bin/busybox", **{attack: f"/bin/{attack}-" for attack in _ATTACKS}}


@pytest.fixture(scope="module")
def ran(workshop: Workshop, guest: alone.Guest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """What a program did."""

    @cache
    def group(ring: int, syscall: str, only: str) -> dict[str, Ran]:
        image = alone.build(workshop, guest, ring=ring, syscall=syscall)
        lines, _ = alone.run(image, tmp_path_factory.mktemp("launched"), f"only={only}", timeout_s=1200)
        found, own = {}, []
        for line in lines:
            own.append(line)
            if line.startswith("launch "):
                command, _, end = line.removeprefix("launch ").partition(": ")
                found[command] = Ran(end, alone.reports(own))
                own = []
        return found

    return lambda ring, syscall, only, name: group(ring, syscall, only)[commands()[name]]


def parameters() -> Iterator[object]:
    for ring, syscall in ((3, "trap"), (0, "lean")):
        for name, command in commands().items():
            only = next(only for only in _GROUPS.values() if command.startswith(only))
            quick = only == _GROUPS["busybox"]
            marks = [] if quick else [pytest.mark.slow]
            yield pytest.param(ring, syscall, only, name, id=f"ring{ring}-{name}", marks=marks)


@pytest.mark.parametrize(("ring", "syscall", "only", "name"), tuple(parameters()))
def test_program(ran: Callable[..., Ran], ring: int, syscall: str, only: str, name: str) -> None:
    result = ran(ring, syscall, only, name)
    assert result.end == "exit 0"
    failed = {case: said for case, said in result.cases.items() if said.startswith("fail")}
    assert not failed
    assert sum(said.startswith("pass") for said in result.cases.values()) >= 14
