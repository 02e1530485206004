# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion on what the CPU does: the attack programs under Bochs, which shares no code with QEMU."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop
from unilinux.image.record import Image

_PROGRAMS = ("gate", "process", "wild")
LAUNCH = alone.Guest(
    name="bochs",
    main="launch",
    programs=_PROGRAMS,
    sources=("alone/word.h", "gate.h", "guest.h"),
    argv=("/bin/guest-bochs", *(f"/bin/{program}" for program in _PROGRAMS)),
)

_BIOS = Path("/usr/share/bochs/BIOS-bochs-latest")
_VGA_BIOS = Path("/usr/share/vgabios/vgabios.bin")
_ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
_LDLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
_PACKAGES = "bochs bochs-term bochsbios vgabios isolinux xorriso"

_ABOUT = re.compile(r"ring (?P<ring>\d) hwcap2 (?P<hwcap2>\w+) ")  # see tests/guest/guest.h
_HWCAP2_LEAN = 1 << 28

_TIMEOUT_S = 1500
# Instructions for each second of the guest's clock: with more of them sleeping takes longer, with fewer the timer
# interrupts leave no time for anything else.
_INSTRUCTIONS_PER_S = 20_000_000


def missing() -> list[str]:
    """What isn't on this host."""
    files = [str(path) for path in (_BIOS, _VGA_BIOS, _ISOLINUX, _LDLINUX) if not path.exists()]
    return [tool for tool in ("bochs", "xorriso", "script") if shutil.which(tool) is None] + files


pytestmark = [
    pytest.mark.boot,
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(missing()), reason=f"{', '.join(missing())}: apt-get install {_PACKAGES}"),
]


def disc(image: Image, folder: Path) -> Path:
    """A CD that boots the image's bzImage: Bochs has no PVH."""
    files, target = folder / "files", folder / "disc.iso"
    files.mkdir()
    shutil.copy(_ISOLINUX, files)
    shutil.copy(_LDLINUX, files)
    shutil.copy(image.folder / "bzImage", files / "bzimage")
    cmdline = " ".join((*image.plan.machine.cmdline, *image.plan.cmdline))
    (files / "isolinux.cfg").write_text(f"DEFAULT it\nPROMPT 0\nLABEL it\n KERNEL bzimage\n APPEND {cmdline}\n")
    options = ["-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", target, *options, files], check=True)
    return target


def run_bochs(image: Image, folder: Path, cpu: str) -> list[str]:
    """Boot it to its end, which is a triple fault as the kernel's way to restart; the lines of the console."""
    (folder / "bochsrc").write_text(
        f"""\
config_interface: textconfig
display_library: term
cpu: model={cpu}, count=1, ips={_INSTRUCTIONS_PER_S}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={image.plan.machine.spec.memory_mib}, host={image.plan.machine.spec.memory_mib}
romimage: file={_BIOS}
vgaromimage: file={_VGA_BIOS}
ata0-master: type=cdrom, path={disc(image, folder)}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/console.log
clock: sync=none, time0=utc
log: {folder}/bochs.log
panic: action=fatal
"""
    )
    (folder / "commands").write_text("continue\n")  # Debian's Bochs starts in its debugger
    command = shlex.join(["bochs", "-q", "-f", f"{folder}/bochsrc", "-rc", f"{folder}/commands"])
    # Its only display without X11 wants a terminal.
    argv = ["script", "--quiet", "--command", command, f"{folder}/terminal.log"]
    subprocess.run(
        argv,
        env={**os.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return (folder / "console.log").read_text(errors="replace").splitlines()


@pytest.fixture(
    scope="module",
    params=[(3, "trap", "broadwell_ult"), (0, "lean", "corei7_haswell_4770"), (0, "lean", "zambezi")],
    ids=["ring3-trap-broadwell", "ring0-lean-haswell", "ring0-lean-zambezi"],
)
def console(request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of the console of one run."""
    ring, syscall, cpu = request.param
    image = alone.build(workshop, LAUNCH, ring=ring, syscall=syscall, bzimage=True)
    lines = run_bochs(image, tmp_path_factory.mktemp(f"bochs-{cpu}"), cpu)
    # Nobody reads the report port here: what each program says of itself, and of what the kernel tells it.
    about = [match for line in lines if (match := _ABOUT.search(line))]
    assert about, lines[-20:]
    assert {int(match["ring"]) for match in about} == {ring}
    assert {bool(int(match["hwcap2"], 0) & _HWCAP2_LEAN) for match in about} == {syscall == "lean"}
    return lines


@pytest.mark.parametrize("program", _PROGRAMS)
def test_program(console: list[str], program: str) -> None:
    ends = [number for number, line in enumerate(console) if line.startswith("launch ")]
    end = next(number for number in ends if f"/bin/{program}:" in console[number])
    start = max((number for number in ends if number < end), default=0)
    said = alone.reports(console[start:end])
    failed = {case: text for case, text in said.items() if text.startswith("fail")}
    assert not failed
    assert console[end].endswith("exit 0")
    assert set(said) == set(alone.cases(program, folder="."))
