# SPDX-License-Identifier: GPL-2.0-only
"""The attack programs under a real KVM: in an emulated AMD machine, whose host is Debian's stock kernel.

Such a KVM is some 30 times slower than a processor's own, and just as strict.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.alone import NO_SMAP
from tests.boot.attack import WARNINGS, Report, Target
from tests.boot.conftest import PROJECT, Workshop
from unilinux.core.command import run
from unilinux.core.events import NullSink, Progress
from unilinux.core.tree import Directory, File, Tree
from unilinux.fetch.fetcher import Fetcher
from unilinux.fetch.unpack import unpack_package
from unilinux.link.initramfs import archive_records
from unilinux.machine.qemu import Wiring
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Lost
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.arguments import boot_arguments
from unilinux.vm.qemu.version import PROGRAM

# The package that depends on Debian's newest kernel.
_NEWEST = "linux-image-amd64"
_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "kvm_amd")

# An AMD processor with nested paging, as far as QEMU emulates one; it says in many warnings what it leaves out. What
# a KVM in there says of XSAVE contradicts itself, which Linux complains about.
_MACHINE = ("-accel", "tcg,thread=multi", "-cpu", "EPYC,-xsave", "-smp", "2", "-m", "2048", "-display", "none")
_TIMEOUT_S = 900.0
_JOB_ENDED = re.compile(r"host: the job ended with status (-?\d+)")
_EXITED_WITH_0 = 1  # of QEMU, by isa-debug-exit

TARGETS = (
    Target("attack-up", 3, "trap"),
    Target("attack-up", 0, "lean"),
    Target("attack-locking", 0, "lean"),
    Target("attack-full", 0, "gate"),
)

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(3600)]


# The emulated processor lacks the microcode for this mitigation, of which a kernel that has it warns.
_NO_SRSO = "spec_rstack_overflow=off"


@dataclass(frozen=True, slots=True)
class KvmHost:
    """An emulated machine with KVM; it boots anew for each job."""

    kernel: Path
    initramfs: Path

    def run(self, command: str, folder: Path) -> tuple[int | None, list[str]]:
        """Run a shell command there, which can write nothing; its exit status and what it said."""
        job = folder / "job.sh"
        job.write_text(f"{command}\n")
        log = folder / "host.log"
        shared = "local,id=files,path=/,security_model=none,readonly=on,multidevs=remap"
        argv: list[str | Path] = [
            PROGRAM, *_MACHINE, "-nodefaults", "-no-reboot", "-serial", "stdio",
            "-fsdev", shared, "-device", "virtio-9p-pci,fsdev=files,mount_tag=host",
            "-kernel", self.kernel, "-initrd", self.initramfs,
            "-append", f"console=ttyS0 quiet mitigations=off job={job}",
        ]  # fmt: skip
        with log.open("wb") as sink, (folder / "host.errors").open("wb") as errors:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=errors, timeout=_TIMEOUT_S, check=True)
        lines = log.read_text(errors="replace").splitlines()
        ended = next(filter(None, map(_JOB_ENDED.search, lines)), None)
        return (int(ended[1]) if ended else None), lines


@pytest.fixture(scope="module")
def kvm_host(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> KvmHost:
    folder = tmp_path_factory.mktemp("kvm-host")
    fetcher = Fetcher(workshop.layout, Progress(NullSink()))
    depends = run(["dpkg-deb", "--field", fetcher.debian_package(_NEWEST, None).path, "Depends"]).output
    found = re.match(r"\s*(linux-image-[\w.+-]+)", depends)
    assert found is not None, depends
    unpack_package(fetcher.debian_package(found[1], None).path, folder / "debian")
    (kernel,) = (folder / "debian/boot").glob("vmlinuz-*")
    modules = {path.stem.replace("-", "_"): path for path in (folder / "debian/lib/modules").rglob("*.ko")}
    init = folder / "init"
    source = PROJECT / "tests/guest/alone/kvmhost.c"
    run(["gcc", "-static", "-O2", "-Wall", "-Werror", "-o", init, source])
    needed = dict.fromkeys(name for wanted in _MODULES for name in _with_dependencies(wanted, modules))
    loaded = [File(f"/modules/{place:02}", modules[name]) for place, name in enumerate(needed)]
    # Files that the kernel unpacks are its own: the modules, and the first process.
    tree = Tree.of([File("/init", init, 0o755), Directory("/files"), *loaded])
    initramfs = folder / "initramfs.cpio"
    with initramfs.open("wb") as file:
        file.writelines(archive_records(tree))
    return KvmHost(kernel, initramfs)


def _with_dependencies(name: str, modules: dict[str, Path]) -> Iterator[str]:
    """A module's name behind those of the modules that it needs."""
    text = modules[name].read_bytes()
    depends = re.search(rb"\0depends=([\w,-]*)\0", text)
    assert depends is not None, name
    for needed in filter(None, depends[1].decode().replace("-", "_").split(",")):
        yield from _with_dependencies(needed, modules)
    yield name


@pytest.mark.parametrize("program", ["wild", "gate", "promises"])
@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_attacks_under_kvm(kvm_host: KvmHost, workshop: Workshop, tmp_path: Path, target: Target, program: str) -> None:
    image = target.build(workshop, program)
    machine = image.plan.machine
    boot = Boot(
        machine=machine,
        kernel=image.vmlinux,
        evidence=tmp_path,
        cmdline=(*image.plan.cmdline, NO_SMAP, WARNINGS, _NO_SRSO),
    )
    by_hand = Wiring(qmp="null", console="stdio,signal=off", report="null")
    command = shlex.join((PROGRAM, *boot_arguments(boot, Accelerator(name="kvm", reason="nested"), by_hand)))
    status, lines = kvm_host.run(f"exec {command}", tmp_path)
    outcome = Exited(0) if status == _EXITED_WITH_0 else Lost(status, "see host.log")
    assert Report.of(outcome, lines).complaints(target, program) == (), tmp_path
