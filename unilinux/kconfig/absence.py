# SPDX-License-Identifier: GPL-2.0-only
"""A symbol in a configuration, and the same configuration without it: one cached question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.files import write_atomically
from unilinux.core.store import Step, Store, Workspace
from unilinux.kconfig import resolve, toolchain, varying
from unilinux.kconfig.explain import Explanation
from unilinux.kconfig.variation import Variation
from unilinux.kconfig.wish import Layer

_FILE = "absence.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """``explanation`` is the symbol's; ``without`` the closest configuration with n for it, None if it isn't a
    switch or is n already."""

    explanation: Explanation
    without: Variation | None

    @property
    def refusal(self) -> str | None:
        """Why Kconfig has no configuration without the symbol, in words; None if it has one."""
        state = self.explanation.state
        if self.without is None:
            return None if state.value == "n" else f"it is no switch: its kind is {state.kind}"
        if self.without.refused:
            return self.without.refused[0].reason.partition(", but ")[2] or self.without.refused[0].reason
        return None


def absence(tree: Path, tree_digest: str, layers: Sequence[Layer], symbol: str, store: Store) -> Absence:
    """Ask Kconfig about a symbol; takes some seconds the first time.

    :raise UsageError: the tree has no such symbol.
    :raise ConfigError: the layers can't be granted.
    """
    name = symbol.removeprefix("CONFIG_")
    step = Step(
        name="absence",
        label=f"asking Kconfig about {name}",
        spec={
            "symbol": name,
            "layers": [layer.to_json() for layer in layers],
        },
        inputs={"tree": tree_digest},
        tools=toolchain.Toolchain().deciding,
    )
    output = store.run(step, lambda space: _ask(space, tree, layers, name))
    data = json.loads((output.path / _FILE).read_text(encoding="utf-8"))
    without = Variation.from_json(data["without"]) if data["without"] else None
    return Absence(explanation=Explanation.from_json(data["explanation"]), without=without)


def _ask(space: Workspace, tree: Path, layers: Sequence[Layer], name: str) -> None:
    explanation = resolve.explain(tree, layers, name)
    without = None
    if explanation.state.kind in ("bool", "tristate") and explanation.state.value not in ("", "n"):
        with varying.varying(tree, layers) as worker:
            without = worker.vary({name: "n"})
    data = {"explanation": explanation.to_json(), "without": without.to_json() if without else None}
    write_atomically(space.out / _FILE, json.dumps(data))
