# SPDX-License-Identifier: GPL-2.0-only
"""How applications stand against their budgets."""

from __future__ import annotations

from unilinux.measure.budget.budget import Budget
from unilinux.measure.budget.comparison import Comparison
from unilinux.ops.budget import Budgets, HeldToBudget


def budgets_text(found: Budgets) -> str:
    """Each application's lines."""
    return "\n".join(_one(result) for result in found.results)


def _one(result: HeldToBudget) -> str:
    if result.comparison is None or result.before is None:
        return f"{result.path} holds the present costs of {result.app}"
    return comparison_text(result.app, result.comparison, result.before)


def comparison_text(app: str, comparison: Comparison, before: Budget) -> str:
    """How each number stands, a line each, and whether they can be compared exactly."""
    lines = [f"{app}: {'within' if comparison.ok else 'OVER'} its budget"]
    if not comparison.exact:
        lines += [f"  {line}" for line in comparison.tools]
        lines.append(f"  so {before.other_tools_percent:g} % more is tolerated: other tools make other numbers")
    lines += [f"  {'ok  ' if one.ok else 'OVER'} {one.explain()}" for one in comparison.verdicts]
    return "\n".join(lines)
