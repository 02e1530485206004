# SPDX-License-Identifier: GPL-2.0-only
"""Observe an image: boot it, use it as its manifest says, and tell which parts of the kernel that needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.app.built import SYMBOLS
from unilinux.core import command
from unilinux.core.errors import UsageError
from unilinux.core.files import write_atomically
from unilinux.core.store import Step, Store, Workspace
from unilinux.image.record import Image
from unilinux.kernel.kbuild import parse_config
from unilinux.kernel.make import OBJECTS
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.size.size import measure_size
from unilinux.observe.constants import read_constants
from unilinux.observe.coverage import read_functions
from unilinux.observe.makefiles import Gates
from unilinux.observe.mapping import Mapper
from unilinux.observe.sources import Sources
from unilinux.observe.syscalls import read_table
from unilinux.observe.traced_boot import GuestSymbols, traced_boot
from unilinux.observe.unwind import Unwinder, read_unwinder
from unilinux.observe.usage import Usage
from unilinux.verify.stop import Stop
from unilinux.verify.verify import check_machine
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.vm import Vm

USAGE_FILE = "observed.json"

_ARTIFACTS = ("vmlinux", "vmlinux_debug", "system_map", "config")
_TREE = "linux"  # in the output of the kernel's source (KernelTree.path)
# A guest that stops at each of its system calls is some hundred times slower.
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What to observe: an image whose machine forwards the ports of the checks, and the folder for its logs."""

    image: Image
    engine: Engine
    evidence: Path
    store: Store

    def run(self) -> Usage:
        """What was seen; from the store, if the same image was observed with the same checks before.

        :raise UsageError: the image can't be observed: its system calls don't pass one function.
        :raise VerifyError: the application didn't do what its manifest promises.
        :raise BootError: the machine failed.
        :raise VmError: the debugger lost the machine.
        """
        image, manifest = self.image, self.image.plan.app.manifest
        if image.plan.entry.syscall != "trap":
            raise UsageError(
                f"{image.plan.name} calls the kernel by functions: there is no one place to observe them",
                hint="observe it with --ring 3",
            )
        plugin = build_plugin(self.store)
        step = Step(
            name="observation",
            label=f"observing {image.plan.name}",
            spec={
                "image": describe(image),
                "engine": self.engine.describe(),
                "machine": image.plan.machine.describe(),
                "cmdline": image.plan.cmdline,
                "checks": [check.model_dump(mode="json") for check in manifest.all_checks],
                "run": manifest.run.model_dump(mode="json"),
                "timeout_s": _TIMEOUT_S,
            },
            inputs={
                **{name: image.record["artifacts"][name]["sha256"] for name in _ARTIFACTS},
                **{output.name: output.digest for output in image.steps if output.name in self._read_outputs},
            },
            files={"counter": plugin},
        )

        def action(space: Workspace) -> None:
            space.step.detail("booting under the debugger")
            found = self._observe(plugin)
            write_atomically(space.out / USAGE_FILE, json.dumps(found.document(), indent=1) + "\n")

        return Usage.read(self.store.run(step, action).path / USAGE_FILE)

    @property
    def _read_outputs(self) -> frozenset[str]:
        """The build steps whose outputs are read, beside the image's own files."""
        return frozenset({"kernel-tree", "kernel-objects", "toolchain", f"app-{self.image.plan.app.manifest.name}"})

    def _observe(self, plugin: Path) -> Usage:
        image = self.image
        outputs = {output.name: output.path for output in image.steps}
        tree = outputs["kernel-tree"] / _TREE
        archive = outputs["kernel-objects"] / OBJECTS / "vmlinux.a"
        debug = image.folder / "vmlinux.debug"
        guest = GuestSymbols(
            kernel=read_kernel(image.vmlinux, image.folder / "System.map"),
            functions=read_functions(debug, archive),
            table=read_table(tree),
            constants=read_constants(tree),
            programs=_programs(image, outputs),
        )
        boot = Boot(
            machine=image.plan.machine, kernel=image.vmlinux, evidence=self.evidence, cmdline=image.plan.cmdline
        )
        recording = traced_boot(boot, self.engine, guest, plugin=plugin, use=self._use)
        config = parse_config((image.folder / "config").read_text(encoding="utf-8"))
        symbols = tuple(sorted(name for name, value in config.items() if value == "y"))
        known = frozenset(symbols)
        mapper = Mapper(
            recording=recording,
            functions=guest.functions,
            table=guest.table,
            sizes=measure_size(debug, archive).objects,
            symbols=symbols,
            gates=Gates(tree, known.__contains__),
            sources=Sources(tree, known.__contains__),
        )
        return mapper.evidence(describe(image))

    def _use(self, vm: Vm) -> None:
        manifest = self.image.plan.app.manifest
        check_machine(vm, manifest.all_checks, Stop.of(manifest.run), timeout_s=_TIMEOUT_S).require()


def describe(image: Image) -> dict[str, Any]:
    """Plain JSON data: which image was observed."""
    plan = image.plan
    return {
        "image": plan.name,
        "app": plan.app.manifest.name,
        "profile": plan.profile.name,
        "ring": plan.entry.ring,
        "syscall": plan.entry.syscall,
        "machine": plan.machine.spec.target,
        "memory_mib": plan.machine.spec.memory_mib,
        "kernel": image.record["kernel"]["version"],
    }


def _programs(image: Image, outputs: Mapping[str, Path]) -> dict[str, Unwinder]:
    """The programs of the application by their paths in the guest."""
    manifest = image.plan.app.manifest
    built = outputs[f"app-{manifest.name}"]
    library = _library(outputs["toolchain"] / "lib" / "libc.a")
    return {
        file.path: read_unwinder(built / SYMBOLS / file.build, library)
        for file in manifest.files
        if file.build is not None and (built / SYMBOLS / file.build).is_file()
    }


def _library(archive: Path) -> frozenset[str]:
    """The functions that a library defines."""
    rows = (line.split() for line in command.run(["nm", "--defined-only", archive]).output.splitlines())
    return frozenset(row[2] for row in rows if len(row) == 3)
