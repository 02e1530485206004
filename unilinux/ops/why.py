# SPDX-License-Identifier: GPL-2.0-only
"""Why a Kconfig symbol is on in an image: who asked, what was seen of its use, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.core.errors import BootError, BuildError, ConfigError, UniLinuxError, UsageError
from unilinux.image.pipeline import Variant
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.absence import Absence, absence
from unilinux.kconfig.ancestry import Ancestor, Asker, ancestry, askers
from unilinux.kconfig.variation import Variation
from unilinux.measure.budget.costs import Costs, Difference, cost_of, functions_of
from unilinux.observe.observe import USAGE_FILE
from unilinux.ops.build import build_image, pipeline
from unilinux.ops.costs import costs_of
from unilinux.ops.image_under_test import USUAL_MEMORY_MIB, ImageUnderTest
from unilinux.ops.observe import observe
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """The image without the symbol, built and measured; ``failure`` says why verification doesn't pass then.

    ``functions`` are those that only the kernel with the symbol has, ``executed`` those of
    them that ran in a boot up to the application's first answer or its end.
    """

    image: str
    changes: tuple[str, ...]
    lost: tuple[str, ...]
    failure: str | None
    cost: tuple[Difference, ...]
    functions: tuple[str, ...]
    executed: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "image": self.image,
            "changes": list(self.changes),
            "lost": list(self.lost),
            "verification": {"ok": self.failure is None, "failure": self.failure},
            "cost": {each.subject: each.document() for each in self.cost},
            "functions": {"count": len(self.functions), "executed": list(self.executed)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The whole answer. ``refusal``: why there is no such image without the symbol. ``observed`` is as ./x observe
    wrote it, None where it hasn't looked."""

    image: str
    found: Absence
    asked: tuple[Asker, ...]
    chain: Ancestor
    observed: Mapping[str, Any] | None
    refusal: str | None = None
    without: Without | None = None

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        seen = self.found.explanation
        return {
            "image": self.image,
            "symbol": seen.state.name,
            "value": seen.state.value or "n",
            "prompt": seen.prompt,
            "reason": seen.reason,
            "asked_by": [each.document() for each in self.asked],
            "chain": self.chain.document(),
            "selected_by": list(seen.selected_by),
            "selects": list(seen.selects),
            "depends_on": seen.depends_on,
            "needed_by": list(seen.needed_by),
            "unmet": list(seen.unmet),
            "to_turn_on": list(seen.ask_for),
            "observed": self.observed,
            "refusal": self.refusal,
            "without": self.without.document() if self.without else None,
        }


def why(here: Workshop, request: Request, *, symbol: str, build: bool = True, timeout_s: float | None = None) -> Why:
    """Who asked for a symbol, what was seen of its use, and what it costs; ``build`` is for the last.

    :raise UsageError: a name that doesn't fit, or a symbol that the kernel doesn't know.
    :raise UniLinuxError: as building and booting do.
    """
    if not symbol:
        raise UsageError("a symbol is needed", hint="./x why --app nginx --symbol EPOLL")
    line = pipeline(here)
    plan = line.packed(make_plan(request, here.layout))
    tree = line.tree(plan.kernel)
    layers = plan.layers(here.layout)
    found = absence(tree.path, tree.output.digest, layers, symbol, here.new_store())
    name = found.explanation.state.name
    answer = Why(
        image=plan.name,
        found=found,
        asked=tuple(_with_part(asker, plan, name) for asker in askers(layers, name)),
        chain=ancestry(line.config(plan), name),
        observed=_observed(here.layout.build, plan, name),
        refusal=found.refusal,
    )
    looked = any(here.layout.build.glob(f"{plan.app.word}-*/{USAGE_FILE}"))
    if not looked and found.explanation.state.value not in ("", "n") and build:
        answer = replace(answer, observed=_look(here, request, plan, name))
    if found.without is not None and answer.refusal is None and build:
        answer = _with_cost(here, plan, answer, found.without, timeout_s=timeout_s)
    return answer


def _with_part(asker: Asker, plan: Plan, symbol: str) -> Asker:
    """A machine asks by its parts: name the one whose wish it is."""
    parts = [
        part.name
        for part in plan.machine.parts
        for wish in part.wishes
        if wish.symbol == symbol and wish.origin == asker.origin
    ]
    return replace(asker, party=f"{asker.party}, part {parts[0]}") if parts else asker


def _observed(build: Path, plan: Plan, symbol: str) -> Mapping[str, Any] | None:
    """What ./x observe has seen of the symbol: in this image, or else in another one of the same application.

    It observes on a generous kernel, so that is the usual case where the image's profile is a small one.
    """
    others = sorted(path.name for path in build.glob(f"{plan.app.word}-*"))
    for name in dict.fromkeys((plan.name, *others)):
        try:
            found = json.loads((build / name / USAGE_FILE).read_text(encoding="utf-8"))["symbols"].get(symbol)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if isinstance(found, dict):
            return {"image": name, **found}
    return None


def _look(here: Workshop, request: Request, plan: Plan, symbol: str) -> Mapping[str, Any] | None:
    """Observe the application now. That it can't be observed is no reason to say nothing else."""
    try:
        with here.progress.step("observe", f"observing {request.app}"):
            observe(here, Request(app=request.app, target=request.target))
    except UniLinuxError as error:
        here.progress.note(f"{request.app} could not be observed: {error.message}")
        return None
    return _observed(here.layout.build, plan, symbol)


def _with_cost(here: Workshop, plan: Plan, answer: Why, without: Variation, *, timeout_s: float | None) -> Why:
    """The answer with the image without the symbol built and measured, or with the reason why it can't be."""
    name = answer.found.explanation.state.name
    variant = Variant(label=f"without-{name}", resolved=without.resolved, changes={name: "n"})
    base = _measured(plan, build_image(here, plan, bzimage=True))
    with_it = costs_of(here, base, timeout_s=timeout_s)
    try:
        with here.progress.step("build", f"building {plan.name} without {name}"):
            image = pipeline(here).build(plan, variant=variant, bzimage=True)
    except (BuildError, ConfigError) as error:
        lines = " ".join((error.message, *error.details[:3]))
        return replace(answer, refusal=f"there is no kernel without it: {lines}")
    try:
        costs = costs_of(here, _measured(plan, image), guess_mib=with_it.least_memory_mib or 0, timeout_s=timeout_s)
    except BootError as error:
        return replace(answer, refusal=f"without it the kernel doesn't come to start anything: {error.message}")
    return replace(answer, without=_without(image.folder.name, without, name, with_it, costs))


def _without(image: str, variation: Variation, symbol: str, with_it: Costs, costs: Costs) -> Without:
    functions, executed = functions_of(with_it, costs)
    return Without(
        image=image,
        changes=tuple(str(change) for change in variation.changes if change.symbol != symbol),
        lost=variation.lost,
        failure=costs.failure,
        cost=cost_of(with_it, costs),
        functions=functions,
        executed=executed,
    )


def _measured(plan: Plan, image: Image) -> ImageUnderTest:
    return ImageUnderTest.built(plan, image).with_memory(USUAL_MEMORY_MIB).reachable()
