# SPDX-License-Identifier: GPL-2.0-only
"""Everything that an image costs, measured once: bytes, boot instructions, the least memory."""

from __future__ import annotations

import json
import time
from pathlib import Path

from unilinux.app.manifest import Manifest
from unilinux.core.files import digest_file, write_atomically
from unilinux.core.store import Step, Workspace
from unilinux.machine.qemu import machine_arguments
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.budget.costs import Costs
from unilinux.measure.memory.least import least_memory_near
from unilinux.ops.counting import count, count_alone, memory_in_use
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.memory import failure_with
from unilinux.ops.size import sizes
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Engine
from unilinux.vm.qemu.version import qemu_version

_FILE = "costs.json"
_MIB = 1 << 20
_PATIENCE = 10
_LEAST_PATIENCE_S = 10.0


class _NoResultError(Exception):
    """Carries costs that aren't kept: verification failed, and who says that the host had no part in it?"""

    def __init__(self, costs: Costs) -> None:
        super().__init__(costs.failure)
        self.costs = costs


def costs_of(here: Workshop, subject: ImageUnderTest, *, guess_mib: int = 0, timeout_s: float | None) -> Costs:
    """What an image costs; from the store if it was measured before on this kind of machine.

    ``guess_mib`` is where the search for the least memory begins; 0: at what is in use
    when the application has started. ``timeout_s`` is for each check; None: each has its own.
    An image whose verification fails has costs too, which are measured anew each time: a busy
    host can be what made it fail.

    :raise BootError: not even PID 1 is reached.
    """
    engine = here.engine("auto")
    step = Step(
        name="costs",
        label=f"measuring {subject.folder.name}",
        spec={
            "machine": machine_arguments(subject.machine),
            "cmdline": (*subject.machine.cmdline, *subject.words),
            "accelerator": engine.abilities.accelerator,
            "timeout_s": timeout_s,
            "manifest": _asked(subject.manifest),
            "qemu": qemu_version(),
        },
        inputs={path.name: digest_file(path) for path in _files(subject.folder, "vmlinux", "bzImage", "System.map")},
    )

    def measure(space: Workspace) -> None:
        found = _measured(here, subject, engine, guess_mib, timeout_s)
        if found.failure is not None:
            raise _NoResultError(found)
        write_atomically(space.out / _FILE, json.dumps(found.to_json()))

    try:
        output = here.new_store().run(step, measure)
    except _NoResultError as failed:
        return failed.costs
    return Costs.from_json(json.loads((output.path / _FILE).read_text(encoding="utf-8")))


def _files(folder: Path, *names: str) -> list[Path]:
    """Those of an image's files that were made: a bzImage is made only when it is asked for."""
    return [folder / name for name in names if (folder / name).exists()]


def _measured(
    here: Workshop, subject: ImageUnderTest, engine: Engine, guess_mib: int, timeout_s: float | None
) -> Costs:
    folder, record = subject.folder, subject.record
    began = time.monotonic()
    failure = failure_with(here, subject, engine, timeout_s=timeout_s)
    # With too little memory a kernel often says nothing and spins: what takes many times as long has failed.
    patience_s = max(_LEAST_PATIENCE_S, _PATIENCE * (time.monotonic() - began))
    patience_s = patience_s if timeout_s is None else min(timeout_s, patience_s)
    counted = count_alone(here, subject) if failure else count(here, subject)[0]
    bytes_of = sizes(here, folder, record["inputs"])
    return Costs(
        sizes={
            "loaded": bytes_of.loaded,
            "zeroed": bytes_of.zeroed,
            **{path.name: path.stat().st_size for path in _files(folder, "vmlinux", "bzImage")},
        },
        stages={stage.name: stage.instructions for stage in counted.stages},
        least_memory_mib=None if failure else _least_memory(here, subject, engine, guess_mib, patience_s),
        failure=failure,
        functions=_functions(subject),
        executed=counted.executed,
        exits={stage.name: sum(counted.exits_to(stage.name).values()) for stage in counted.stages},
    )


def _least_memory(here: Workshop, subject: ImageUnderTest, engine: Engine, guess_mib: int, timeout_s: float) -> int:
    guess = guess_mib or -(-max(memory_in_use(here, subject).values(), default=0) // _MIB)
    with here.progress.step("memory", f"looking for the least memory of {subject.folder.name}") as step:

        def failure_at(mib: int) -> str | None:
            step.detail(f"{mib} MiB")
            return failure_with(here, subject.with_memory(mib), engine, timeout_s=timeout_s)

        found = least_memory_near(failure_at, guess=guess, low=LEAST_MEMORY_MIB, high=subject.memory_mib)
    return found.mib


def _functions(subject: ImageUnderTest) -> tuple[str, ...]:
    folder = subject.folder
    return tuple(sorted({one.name for one in read_kernel(folder / "vmlinux", folder / "System.map").functions}))


def _asked(manifest: Manifest) -> dict[str, object]:
    """What the manifest says of running and checking the application."""
    return {
        "run": manifest.run.model_dump(mode="json"),
        "verify": [check.model_dump(mode="json") for check in manifest.verify],
    }
