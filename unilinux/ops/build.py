# SPDX-License-Identifier: GPL-2.0-only
"""Building images, and their kernels' configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.image.pipeline import Pipeline
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.resolved import Resolved, SymbolState
from unilinux.ops.workshop import Workshop


def pipeline(here: Workshop) -> Pipeline:
    """A pipeline of its own, for one use case."""
    return Pipeline(layout=here.layout, store=here.new_store(), fetcher=here.new_fetcher(), jobs=here.jobs)


def build_image(here: Workshop, plan: Plan, *, bzimage: bool = False) -> Image:
    """Build what is planned, as one step; ``bzimage``: make that form of it, too, which other loaders take."""
    with here.progress.step("build", f"building {plan.name}"):
        return pipeline(here).build(plan, bzimage=bzimage)


def build(here: Workshop, request: Request, *, bzimage: bool = False) -> Image:
    """Build an image; ``bzimage`` as in :func:`build_image`.

    :raise UsageError: a name or value that doesn't fit.
    :raise UniLinuxError: as the steps do.
    """
    return build_image(here, make_plan(request, here.layout), bzimage=bzimage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The kernel's configuration, by symbol: its value, and who asked for it."""

    image: str
    symbols: tuple[SymbolState, ...]

    def document(self) -> list[Mapping[str, Any]]:
        """Plain JSON data."""
        return [
            {
                "symbol": state.name,
                "value": state.value,
                "source": state.source.value,
                "reason": state.reason,
                "why": state.why,
                "defined_at": state.defined_at,
            }
            for state in self.symbols
        ]


def configure(here: Workshop, request: Request, *, symbol: str = "") -> Configuration:
    """What the kernel of an image is configured with; ``symbol`` names a single one.

    :raise UsageError: a name that doesn't fit, or a symbol that isn't set.
    :raise ConfigError: wishes that contradict each other or that Kconfig refuses.
    """
    plan = make_plan(request, here.layout)
    with here.progress.step("config", f"configuring {plan.name}"):
        line = pipeline(here)
        resolved = line.config(line.packed(plan))
    return Configuration(image=plan.name, symbols=_chosen(resolved, symbol.removeprefix("CONFIG_")))


def _chosen(resolved: Resolved, symbol: str) -> tuple[SymbolState, ...]:
    if not symbol:
        return tuple(state for _, state in sorted(resolved.symbols.items()))
    if symbol not in resolved.symbols:
        raise UsageError(
            unknown("symbol that is set,", symbol, resolved.symbols).split(" (known")[0],
            hint="without --symbol all that are set are listed",
        )
    return (resolved.symbols[symbol],)
