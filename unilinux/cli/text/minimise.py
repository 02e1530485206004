# SPDX-License-Identifier: GPL-2.0-only
"""What a search for the smallest kernel found."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.ops.minimise import Minimised


def minimised_text(found: Minimised) -> str:
    """What the image cost before and costs now, and whether the search came to its end."""
    plan, outcome, before, after = found.plan, found.outcome, found.before, found.after
    finding = outcome.finding
    rows = [
        ("", plan.profile.name, finding.name),
        ("symbols", f"{before.symbols:,}", f"{after.symbols:,}"),
        ("vmlinux, bytes", f"{before.vmlinux:,}", f"{after.vmlinux:,}"),
        ("bzImage, bytes", f"{before.bzimage:,}", f"{after.bzimage:,}"),
        (f"instructions to {after.stage}", f"{before.boot:,}", f"{after.boot:,}"),
        ("least memory, MiB", f"{before.memory_mib}", f"{after.memory_mib}"),
    ]
    lines = [f"{name:24} {was:>14} {now:>{max(14, len(finding.name))}}" for name, was, now in rows]
    lines += ["", f"{outcome.made} trials in this run, {finding.trials} in all", f"profile  {found.path}"]
    if not finding.shrunk.minimal:
        lines += _unfinished(finding.shrunk.untried)
    return "\n".join([*lines, f"build it  ./x build --app {plan.app.option} --profile {finding.name}"])


def _unfinished(names: Sequence[str]) -> list[str]:
    shown = " ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return [f"NOT MINIMAL YET: the time was up before {shown}; the same command goes on from here"]
