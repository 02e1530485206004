"""Building, configuring, booting and verifying images."""

from __future__ import annotations

from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.session import Session, session
from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.image.pipeline import Pipeline
from unilinux.image.record import Image
from unilinux.image.request import Plan
from unilinux.kconfig.resolved import Resolved, SymbolState
from unilinux.report.tables import Column


def pipeline(run: Session) -> Pipeline:
    """The pipeline of a task's run."""
    return Pipeline(layout=run.layout, store=run.new_store(), fetcher=run.new_fetcher(), jobs=run.jobs)


def build_image(run: Session, plan: Plan) -> Image:
    """Build with progress."""
    with run.progress.step("build", f"building {plan.name}"):
        return pipeline(run).build(plan)


def build(project: Path, choice: Choice, *, as_json: bool, verbose: bool) -> None:
    """Build an image and say what came of it."""
    with session(project, as_json=as_json, verbose=verbose) as run:
        image = build_image(run, choice.plan(run))
        run.answer(image.to_json(), image.summary)


def config(project: Path, choice: Choice, *, symbol: str, as_json: bool, verbose: bool) -> None:
    """Show the configuration, each symbol with those who asked for it."""
    with session(project, as_json=as_json, verbose=verbose) as run:
        plan = choice.plan(run)
        with run.progress.step("config", f"configuring {plan.name}"):
            resolved = pipeline(run).config(plan)
        states = _chosen(resolved, symbol.removeprefix("CONFIG_"))
        run.answer_table(
            [
                {
                    "symbol": state.name,
                    "value": state.value,
                    "source": state.source.value,
                    "reason": state.reason,
                    "why": state.why,
                    "defined_at": state.defined_at,
                }
                for state in states
            ],
            (Column("symbol"), Column("value"), Column("where from"), Column("", dim=True)),
            [(state.name, state.value, state.reason, state.why) for state in states],
        )


def _chosen(resolved: Resolved, symbol: str) -> list[SymbolState]:
    if not symbol:
        return [state for _, state in sorted(resolved.symbols.items())]
    if symbol not in resolved.symbols:
        raise UsageError(
            unknown("symbol that is set,", symbol, resolved.symbols).split(" (known")[0],
            hint="without --symbol all that are set are listed",
        )
    return [resolved.symbols[symbol]]
