# SPDX-License-Identifier: GPL-2.0-only
"""What an application needs of its kernel: seen, explained, and cut down to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.session import session
from unilinux.cli.text.minimise import minimised_text
from unilinux.cli.text.observe import evidence_text, symbol_text
from unilinux.cli.text.why import text as why_text
from unilinux.ops.minimise import minimise as search
from unilinux.ops.observe import observe as look
from unilinux.ops.why import why as explain


def observe(project: Path, choice: Choice, *, symbol: str, as_json: bool, verbose: bool) -> None:
    """Show what an application uses, or what was seen of one symbol."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        usage = look(here.workshop, choice.request())
        if symbol:
            one = usage.of(symbol)
            here.answer(one, lambda: symbol_text(one))
        else:
            here.answer(usage, lambda: evidence_text(usage))


def why(
    project: Path, choice: Choice, *, symbol: str, build: bool, timeout_s: float | None, as_json: bool, verbose: bool
) -> None:
    """Say who asked for a symbol, what was seen of its use, and what it costs; ``build`` is for the last."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = explain(here.workshop, choice.request(), symbol=symbol, build=build, timeout_s=timeout_s)
        here.answer(found, lambda: why_text(found.document()))


def minimise(
    project: Path,
    choice: Choice,
    *,
    keep: Sequence[str],
    evidence: str,
    budget_minutes: float,
    as_json: bool,
    verbose: bool,
) -> None:
    """Search the smallest kernel, write it as a profile, and show what it saves."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = search(
            here.workshop, choice.request(), keep=keep, evidence=evidence, budget_s=budget_minutes * 60 or None
        )
        here.answer(found, lambda: minimised_text(found))
