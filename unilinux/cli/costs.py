"""Everything that an image costs, measured once: bytes, boot instructions, the least memory."""

from __future__ import annotations

import json
import time

from unilinux.app.manifest import Manifest
from unilinux.cli.least_memory import failure_with
from unilinux.cli.session import Session
from unilinux.cli.specimen import Specimen, count, count_alone, memory_in_use, sizes
from unilinux.core.files import digest_file, write_atomically
from unilinux.core.store import Step, Workspace
from unilinux.machine.qemu import machine_arguments
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.budget.costs import Costs
from unilinux.measure.memory.least import least_memory_near
from unilinux.vm.choose import native_engine
from unilinux.vm.engine import Engine
from unilinux.vm.qemu.version import qemu_version

_FILE = "costs.json"
_MIB = 1 << 20
_PATIENCE = 10
_LEAST_PATIENCE_S = 10.0


def costs_of(here: Session, specimen: Specimen, *, guess_mib: int = 0, timeout_s: float) -> Costs:
    """What an image costs; from the store if it was measured before on this kind of machine.

    ``guess_mib`` is where the search for the least memory begins; 0: at what is in use
    when the application has started. ``timeout_s`` is for each check. An image whose
    verification fails has costs too.

    :raise BootError: not even PID 1 is reached.
    """
    engine = native_engine("auto", here.layout.cache)
    step = Step(
        name="costs",
        label=f"measuring {specimen.image.folder.name}",
        spec={
            "machine": machine_arguments(specimen.plan.machine),
            "cmdline": (*specimen.plan.machine.cmdline, *specimen.plan.cmdline),
            "accelerator": engine.abilities.accelerator,
            "manifest": _asked(specimen.manifest),
            "qemu": qemu_version(),
        },
        inputs={name: digest_file(specimen.image.folder / name) for name in ("vmlinux", "bzImage", "System.map")},
    )

    def measure(space: Workspace) -> None:
        found = _measured(here, specimen, engine, guess_mib, timeout_s)
        write_atomically(space.out / _FILE, json.dumps(found.to_json()))

    output = here.new_store().run(step, measure)
    return Costs.from_json(json.loads((output.path / _FILE).read_text(encoding="utf-8")))


def _measured(here: Session, specimen: Specimen, engine: Engine, guess_mib: int, timeout_s: float) -> Costs:
    folder, record = specimen.image.folder, specimen.image.record
    began = time.monotonic()
    failure = failure_with(here, specimen, engine, timeout_s=timeout_s)
    # With too little memory a kernel often says nothing and spins: what takes many times as long has failed.
    patience_s = min(timeout_s, max(_LEAST_PATIENCE_S, _PATIENCE * (time.monotonic() - began)))
    counted = count_alone(here, specimen) if failure else count(here, specimen)[0]
    bytes_of = sizes(here, folder, record["inputs"])
    return Costs(
        sizes={
            "loaded": bytes_of.loaded,
            "zeroed": bytes_of.zeroed,
            **{name: (folder / name).stat().st_size for name in ("vmlinux", "bzImage")},
        },
        stages={stage.name: stage.instructions for stage in counted.stages},
        least_memory_mib=None if failure else _least_memory(here, specimen, engine, guess_mib, patience_s),
        failure=failure,
        functions=_functions(specimen),
        executed=counted.executed,
    )


def _least_memory(here: Session, specimen: Specimen, engine: Engine, guess_mib: int, timeout_s: float) -> int:
    guess = guess_mib or -(-max(memory_in_use(here, specimen).values(), default=0) // _MIB)
    with here.progress.step("memory", f"looking for the least memory of {specimen.image.folder.name}") as step:

        def failure_at(mib: int) -> str | None:
            step.detail(f"{mib} MiB")
            return failure_with(here, specimen.with_memory(mib), engine, timeout_s=timeout_s)

        found = least_memory_near(failure_at, guess=guess, low=LEAST_MEMORY_MIB, high=specimen.memory_mib)
    return found.mib


def _functions(specimen: Specimen) -> tuple[str, ...]:
    folder = specimen.image.folder
    return tuple(sorted({one.name for one in read_kernel(folder / "vmlinux", folder / "System.map").functions}))


def _asked(manifest: Manifest) -> dict[str, object]:
    """What the manifest says of running and checking the application."""
    return {
        "run": manifest.run.model_dump(mode="json"),
        "verify": [check.model_dump(mode="json") for check in manifest.verify],
    }
