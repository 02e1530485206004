"""Building, configuring, booting and verifying images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unilinux.cli.session import Session, session
from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.image.pipeline import Pipeline
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.resolved import Resolved, SymbolState
from unilinux.machine.spec import Forward
from unilinux.report.tables import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The options of a command line that say which image; empty or 0 where the user said nothing."""

    app: str
    profile: str = ""
    machine: str = ""
    ring: str = ""
    syscall: str = ""
    syscalls: str = ""
    kernel: str = ""
    memory: int = 0
    forward: tuple[str, ...] = ()

    def plan(self, run: Session) -> Plan:
        """What is to be built.

        :raise UsageError: a name or value that doesn't fit.
        """
        request = Request(
            app=self.app,
            profile=self.profile or None,
            board=self.machine or None,
            ring=_ring(self.ring),
            syscall=self.syscall or None,
            syscalls=self.syscalls or None,
            kernel=self.kernel or None,
            memory_mib=self.memory or None,
            forwards=tuple(Forward.parse(text) for text in self.forward),
        )
        return make_plan(request, run.layout)


def _ring(text: str) -> int | None:
    if text and not text.isdecimal():
        raise UsageError(f"there is no ring {text!r}", hint="--ring 0 or --ring 3")
    return int(text) if text else None


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
