# SPDX-License-Identifier: GPL-2.0-only
"""The ladder: images of all rungs, built, booted, counted and timed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from unilinux.core.errors import UsageError
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.calls.ladder import APP, RUNGS, Ladder, Rung, Spread, Throughput
from unilinux.measure.calls.load import REQUESTS, Load, counted_load, load_of
from unilinux.measure.calls.runs import CallRun, call_costs, counted_calls, timed_calls
from unilinux.ops.build import build_image
from unilinux.ops.evidence import evidence_folder
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Boot

USUAL_APPS = (APP, "nginx", "redis")

# On an idle host each boot takes some seconds; a busy one makes -icount very slow.
_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """An image for one rung, and what it was built from."""

    rung: Rung
    plan: Plan
    image: Image

    def boot(self, kind: str) -> Boot:
        """How to boot it once; its logs replace those of the last time."""
        evidence = evidence_folder(self.image.folder, f"ladder-{kind}")
        return Boot(machine=self.plan.machine, kernel=self.image.vmlinux, evidence=evidence, cmdline=self.plan.cmdline)

    def serving(self) -> _Step:
        """The same with its ports forwarded."""
        return replace(self, plan=self.plan.forwarding(self.plan.app.manifest.run.ports))


def measure_ladder(
    here: Workshop, apps: Sequence[str] = (), *, profile: str = "", machine: str = "", rounds: int = 3
) -> Ladder:
    """Measure ``apps``: the calls for the application ``ladder``, requests for servers; all that is usual if empty.

    :raise UsageError: a name or value that doesn't fit.
    :raise UniLinuxError: as building and booting do.
    """
    if rounds < 1:
        raise UsageError("at least one round is needed", hint="--rounds 3")
    plans = {app: _plans(here, app, profile=profile, machine=machine) for app in dict.fromkeys(apps or USUAL_APPS)}
    loads = {app: load_of(app, rungs[0].app.manifest.verify) for app, rungs in plans.items() if app != APP}
    steps = {
        app: [_step(rung, build_image(here, plan)) for rung, plan in zip(RUNGS, rungs, strict=True)]
        for app, rungs in plans.items()
    }
    first = next(iter(steps.values()))[0]
    return Ladder(
        kernel=str(first.image.record["kernel"]["version"]),
        profile=", ".join(dict.fromkeys(rungs[0].profile.name for rungs in plans.values())),
        machine=first.plan.machine.spec.target,
        calls=call_costs(*_calls(here, steps[APP], rounds)) if APP in steps else {},
        throughput={app: _throughput(here, steps[app], load, rounds) for app, load in loads.items()},
    )


def _step(rung: Rung, image: Image) -> _Step:
    return _Step(rung=rung, plan=image.plan, image=image)


def _plans(here: Workshop, app: str, *, profile: str, machine: str) -> list[Plan]:
    """One for each rung."""
    return [
        make_plan(
            Request(app=app, profile=profile or None, target=machine or None, ring=rung.ring, syscall=rung.syscall),
            here.layout,
        )
        for rung in RUNGS
    ]


def _calls(here: Workshop, steps: Sequence[_Step], rounds: int) -> tuple[dict[str, CallRun], list[dict[str, CallRun]]]:
    """One counted boot of each rung, then rounds of one timed boot of each."""
    counted: dict[str, CallRun] = {}
    engine = here.engine("tcg")
    with here.progress.step("calls", "counting the instructions of system calls") as progress:
        for step in steps:
            progress.detail(step.rung.label)
            counted[step.rung.name] = counted_calls(step.boot("counted"), engine, timeout_s=_TIMEOUT_S)
            counted[step.rung.name].require(step.rung)
    timed: list[dict[str, CallRun]] = []
    with here.progress.step("times", f"timing system calls, {rounds} times") as progress:
        for number in range(1, rounds + 1):
            timed.append({})
            for step in steps:
                progress.detail(f"{step.rung.label}, {number} of {rounds}")
                timed[-1][step.rung.name] = timed_calls(step.boot("timed"), engine, timeout_s=_TIMEOUT_S)
    return counted, timed


def _throughput(here: Workshop, steps: Sequence[_Step], load: Load, rounds: int) -> dict[str, Throughput]:
    """By rung: requests per million instructions, over rounds of one boot of each rung."""
    plugin, engine = build_plugin(here.new_store()), here.engine("tcg")
    app = steps[0].plan.app.manifest.name
    found: dict[str, list[float]] = {rung.name: [] for rung in RUNGS}
    with here.progress.step("requests", f"counting the instructions of requests to {app}, {rounds} times") as progress:
        for number in range(1, rounds + 1):
            for step in steps:
                progress.detail(f"{step.rung.label}, {number} of {rounds}")
                kernel = read_kernel(step.image.vmlinux, step.image.folder / "System.map")
                boot = step.serving().boot("requests")
                found[step.rung.name].append(
                    counted_load(boot, engine, step.rung, load, kernel, plugin=plugin, timeout_s=_TIMEOUT_S)
                )
    return {name: Throughput(requests=REQUESTS, per_minstr=Spread.of(values)) for name, values in found.items()}
