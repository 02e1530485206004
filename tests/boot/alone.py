# SPDX-License-Identifier: GPL-2.0-only
"""Programs for one test each: made an application, built for a kernel, booted, and what they said."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.boot.conftest import ENGINE, PROJECT, Workshop
from unilinux.image.record import Image
from unilinux.image.request import Request, make_plan
from unilinux.machine.compose import compose
from unilinux.machine.spec import Disk
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Outcome
from unilinux.vm.vm import Vm

GUESTS = PROJECT / "tests/guest"

# QEMU 7.2 reads the stack of a far return or IRET at CPL 3 with the kernel's rights, which SMAP forbids:
# the kernel then oopses in ring 3. Ring 0 has no SMAP anyway.
NO_SMAP = "clearcpuid=smap"

DEBUG_SUFFIX = ".debug.gz"
"""What ends the name of the copy, with its symbols, that the build keeps of a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """An application made of ``alone/NAME.c``, or of ``alone/MAIN.c``.

    ``sources`` are further files of ``tests/guest``, copied beside it, and ``programs``
    are those of ``tests/guest`` that it shall find in ``/bin``. ``files`` are paths of
    the guest and what they hold; ``argv`` is what is run, if not the program.
    """

    name: str
    main: str = ""
    programs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("gate.h", "guest.h")
    flags: str = "-pthread"
    files: tuple[tuple[str, Path], ...] = ()
    argv: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ("devtmpfs", "proc", "tmpfs:/tmp")
    memory_mib: int = 128

    def add_to(self, workshop: Workshop) -> str:
        """Write the application into the workshop's catalogue, once; its name."""
        name = f"guest-{self.name}"
        folder = workshop.layout.apps / name
        if folder.exists():
            return name
        folder.mkdir()
        names = []
        own = (f"alone/{self.main or self.name}.c", *(f"{program}.c" for program in self.programs))
        for source in (*own, *self.sources):
            shutil.copy(GUESTS / source, folder)
            names.append(Path(source).name)
        for number, (_, origin) in enumerate(self.files):
            shutil.copy(origin, folder / f"file{number}")
        (folder / "app.toml").write_text(self._manifest(name, names))
        return name

    def _manifest(self, name: str, sources: Sequence[str]) -> str:
        compile_ = f"$CC $CFLAGS -g $LDFLAGS {self.flags} -o"
        main = f"{self.main or self.name}.c"
        # The image's program for the gate is linked anyhow; this one is for its debug information.
        steps = [f"{compile_} {name} {main}", f"UNILINUX_ENTRY=gate {compile_} {name}.gate {main}"]
        steps += [f"{compile_} {program} {program}.c" for program in self.programs]
        steps += [f"gzip -nc {program} > {program}{DEBUG_SUFFIX}" for program in (name, f"{name}.gate")]
        listed = [f'[[files]]\npath = "/bin/{built}"\nbuild = "{built}"' for built in (name, *self.programs)]
        listed += [
            f'[[files]]\npath = "/usr/lib/debug/{program}{DEBUG_SUFFIX}"\nbuild = "{program}{DEBUG_SUFFIX}"'
            for program in (name, f"{name}.gate")
        ]
        listed += [
            f'[[files]]\npath = "{path}"\nlocal = "file{number}"\nmode = "0755"'
            for number, (path, _) in enumerate(self.files)
        ]
        run = {"argv": self.argv or (f"/bin/{name}",), "mounts": self.mounts, "memory_mib": self.memory_mib}
        head = ["schema = 1", f'name = "{name}"', 'summary = "attacks"', 'version = "1"', 'profile = "attack-up"']
        tables = [
            "\n".join(head),
            f'[source]\nkind = "local"\nfiles = {json.dumps(sources)}',
            f"[build]\nsteps = {json.dumps(steps)}",
            *listed,
            "[run]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in run.items()),
            '[[verify]]\nkind = "exit"\nstatus = 0',
        ]
        return "\n\n".join(tables) + "\n"


def build(
    workshop: Workshop,
    guest: Guest,
    *,
    profile: str = "attack-up",
    ring: int = 0,
    syscall: str = "lean",
    disks: tuple[Disk, ...] = (),
    bzimage: bool = False,
) -> Image:
    """The image of a guest, on a machine with these disks."""
    app = guest.add_to(workshop)
    plan = make_plan(Request(app=app, profile=profile, ring=ring, syscall=syscall), workshop.layout)
    if disks:
        plan = replace(plan, machine=compose(replace(plan.machine.spec, disks=disks)))
    return workshop.build_plan(plan, bzimage=bzimage)


def boot_of(image: Image, evidence: Path, *cmdline: str) -> Boot:
    """How to boot an image, with words for its kernel's command line."""
    return Boot(
        machine=image.plan.machine,
        kernel=image.vmlinux,
        evidence=evidence,
        cmdline=(*image.plan.cmdline, NO_SMAP, *cmdline),
    )


def run(image: Image, evidence: Path, *cmdline: str, timeout_s: float = 300.0) -> tuple[tuple[str, ...], Outcome]:
    """Boot an image to its end: the lines of the console, and how it ended."""
    with Vm.start(boot_of(image, evidence, *cmdline), ENGINE) as vm:
        outcome = vm.wait(timeout_s=timeout_s)
        return tuple(line.text for line in vm.console.lines()), outcome


def cases(program: str, folder: str = "alone") -> tuple[str, ...]:
    """The names in a program's table of cases."""
    return tuple(re.findall(r"\bCASE(?:_SIGNAL)?\((\w+)", (GUESTS / folder / f"{program}.c").read_text()))


def reports(lines: Sequence[str]) -> dict[str, str]:
    """What each case said: ``pass``, ``fail`` or ``skip``, and why."""
    found = (re.search(r"case (\w+): ((?:pass|fail|skip).*)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def with_symbols(image: Image, folder: Path) -> Path:
    """The program of an image as the linker made it, for gdb."""
    name = image.plan.app.manifest.name
    program = f"{name}.gate" if image.plan.entry.gated else name
    built = next(step.path for step in image.steps if step.name == f"app-{name}")
    target = folder / program
    target.write_bytes(gzip.decompress((built / f"{program}{DEBUG_SUFFIX}").read_bytes()))
    return target
