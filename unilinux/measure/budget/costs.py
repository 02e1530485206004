# SPDX-License-Identifier: GPL-2.0-only
"""What an image costs, and what the difference between two images costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """``sizes`` are bytes: ``loaded``, ``zeroed``, ``vmlinux``, ``bzImage``. ``stages`` are guest instructions
    since reset, ``exits`` those to a hypervisor, by stage and since reset, too. ``least_memory_mib`` is None where
    verification doesn't pass, and ``failure`` says why.

    ``functions`` are all that the kernel has, ``executed`` those that ran.
    """

    sizes: Mapping[str, int]
    stages: Mapping[str, int]
    least_memory_mib: int | None
    failure: str | None
    functions: tuple[str, ...]
    executed: tuple[str, ...]
    exits: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Costs:
        """The value that :meth:`to_json` was made from."""
        names = {name: tuple(data[name]) for name in ("functions", "executed")}
        return cls(**{**data, **names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number with and without something. None: it wasn't measured there, and ``costs`` isn't known."""

    subject: str
    unit: str
    with_it: int | None
    without: int | None

    @property
    def costs(self) -> int | None:
        """How much more it is with it."""
        return None if self.with_it is None or self.without is None else self.with_it - self.without

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"with": self.with_it, "without": self.without, "costs": self.costs, "unit": self.unit}


def cost_of(with_it: Costs, without: Costs) -> tuple[Difference, ...]:
    """Bytes, instructions and exits of the boot up to the last exact stage that both reached, and the least memory."""
    found = [
        Difference(subject=name, unit="bytes", with_it=with_it.sizes[name], without=without.sizes.get(name))
        for name in with_it.sizes
    ]
    stage = next((name for name in ("ready", "main", "pid1") if name in with_it.stages and name in without.stages), "")
    if stage:
        boots = Difference(
            subject=f"boot to {stage}",
            unit="instructions",
            with_it=with_it.stages[stage],
            without=without.stages[stage],
        )
        found.append(boots)
    if stage in with_it.exits and stage in without.exits:
        found.append(
            Difference(
                subject=f"exits to {stage}", unit="exits", with_it=with_it.exits[stage], without=without.exits[stage]
            )
        )
    memory = Difference(
        subject="least memory", unit="MiB", with_it=with_it.least_memory_mib, without=without.least_memory_mib
    )
    return (*found, memory)


def functions_of(with_it: Costs, without: Costs) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The functions that are only there with it, and those of them that ran."""
    own = sorted(set(with_it.functions) - set(without.functions))
    executed = set(with_it.executed)
    return tuple(own), tuple(name for name in own if name in executed)
