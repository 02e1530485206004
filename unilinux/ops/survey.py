# SPDX-License-Identifier: GPL-2.0-only
"""A survey of applications: each built, verified and measured in ring 0 and in ring 3, a row for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unilinux.app.catalogue import App, Catalogue
from unilinux.core.errors import UniLinuxError, VerifyError
from unilinux.core.files import write_atomically
from unilinux.core.store import Step, Workspace
from unilinux.image.record import ARTIFACTS
from unilinux.image.request import Request
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.stages import last_exact_stage
from unilinux.ops.counting import count
from unilinux.ops.image_under_test import ImageUnderTest, build_under_test
from unilinux.ops.memory import failure_with, find_least_memory
from unilinux.ops.workshop import Workshop

_ROW_FILE = "row.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one application takes.

    ``source`` is what it comes from, ``version`` that of its main package or of the manifest. ``files_bytes`` is the
    size of all its files, ``symbols`` how many the kernel's configuration sets. ``instructions``
    are the guest's from reset to ``stage`` in ring 0 with the lean gate, ``instructions_ring3`` the same in ring 3.
    ``found``, ``rewritten`` and ``left`` count the places of system calls in programs that others have linked;
    None where there are none of these.
    """

    app: str
    source: str
    version: str
    vmlinux_bytes: int
    files_bytes: int
    symbols: int
    stage: str
    instructions: int
    instructions_ring3: int
    least_memory_mib: int
    found: int | None = None
    rewritten: int | None = None
    left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An application that didn't do what its manifest promises, or couldn't be built; ``why`` in words."""

    app: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A row for each application that was asked for, and why others have none."""

    rows: tuple[Row, ...]
    failed: tuple[Failed, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"applications": [asdict(row) for row in self.rows], "failed": [asdict(one) for one in self.failed]}

    def require(self) -> None:
        """Nothing if all have a row.

        :raise VerifyError: some don't.
        """
        if self.failed:
            raise VerifyError(
                f"{len(self.failed)} of {len(self.failed) + len(self.rows)} applications have no row",
                details=[f"{one.app}: {one.why}" for one in self.failed],
                hint=f"./x verify --app {self.failed[0].app}",
            )


def survey(here: Workshop, apps: Sequence[str] = ()) -> Survey:
    """Measure ``apps``, or all that there are; an image that was measured before isn't measured again.

    What fails is in the result.

    :raise UsageError: there is no application of that name.
    """
    catalogue = Catalogue(here.layout.apps)
    rows, failed = [], []
    for app in [catalogue.find(name) for name in dict.fromkeys(apps or catalogue.names)]:
        try:
            rows.append(_row(here, app))
        except UniLinuxError as error:
            failed.append(Failed(app=app.manifest.name, why=error.message))
    return Survey(rows=tuple(rows), failed=tuple(failed))


def _row(here: Workshop, app: App) -> Row:
    name, memory_mib = app.option, app.manifest.run.memory_mib
    lean = build_under_test(here, Request(app=name, ring=0, syscall="lean", memory_mib=memory_mib))
    control = build_under_test(here, Request(app=name, ring=3, memory_mib=memory_mib))
    step = Step(
        name="survey",
        label=f"measuring {name}",
        spec={
            "engine": here.engine("tcg").describe(),
            "machine": lean.machine.describe(),
            "cmdline": lean.words,
            "manifest": app.manifest.model_dump(mode="json"),
        },
        inputs={
            f"{image.name}:{artifact}": image.record["artifacts"][artifact]["sha256"]
            for image in (lean, control)
            for artifact in ARTIFACTS
            if artifact in image.record["artifacts"]
        },
    )

    def action(space: Workspace) -> None:
        row = _measured(here, app, lean, control)
        write_atomically(space.out / _ROW_FILE, json.dumps(asdict(row), indent=1) + "\n")

    return Row(**json.loads((here.new_store().run(step, action).path / _ROW_FILE).read_text()))


def _measured(here: Workshop, app: App, lean: ImageUnderTest, control: ImageUnderTest) -> Row:
    engine = here.engine("auto")
    for image in (lean, control):
        if (failure := failure_with(here, image, engine, timeout_s=None)) is not None:
            raise VerifyError(f"in ring {image.record['ring']}: {failure}")
    (boot,), (control_boot,) = count(here, lean), count(here, control)
    stage = last_exact_stage(boot, control_boot)
    least = find_least_memory(here, lean, low=LEAST_MEMORY_MIB, high=lean.memory_mib, timeout_s=None)
    return Row(
        app=app.manifest.name,
        source=source_in_words(lean.record["source"]),
        version=_version(app, lean.record["source"]),
        vmlinux_bytes=lean.record["sizes"]["vmlinux"],
        files_bytes=lean.record["sizes"]["application"],
        symbols=lean.record["config"]["symbols"],
        stage=stage,
        instructions=boot.instructions(stage) or 0,
        instructions_ring3=control_boot.instructions(stage) or 0,
        least_memory_mib=least.mib,
        **_sites(lean.record["rewritten"]),
    )


def source_in_words(facts: Mapping[str, Any]) -> str:
    """What an application comes from: ``deb nginx``."""
    kind = str(facts.get("kind", "local"))
    return f"{kind} {facts['package']}" if "package" in facts else kind


def _version(app: App, facts: Mapping[str, Any]) -> str:
    """That of the package which has the program, where there is one: it is exact."""
    packages = {one["package"]: one["version"] for one in facts.get("packages", ())}
    return str(packages.get(facts.get("package"), app.manifest.version))


def _sites(files: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {key: sum(file[key] for file in files) for key in ("found", "rewritten", "left")} if files else {}
