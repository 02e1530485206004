"""Working on a patch series: as commits in a git work tree, never by editing patches."""

from __future__ import annotations

from pathlib import Path

from unilinux.cli.session import Session, session
from unilinux.kernel.patches import Patches
from unilinux.kernel.series import Series


def checkout(project: Path, name: str, folder: Path, *, verbose: bool) -> None:
    """A work tree with one commit for each patch."""
    with session(project, verbose=verbose) as run:
        there = _patches(run).checkout(name, _below(project, folder))
        run.answer({}, lambda: f"{there.path}: change it and commit, then ./x patches.export --kernel {name}")


def export(project: Path, name: str, folder: Path, *, verbose: bool) -> None:
    """The work tree's commits as the series."""
    with session(project, verbose=verbose) as run:
        series = _patches(run).export(name, _below(project, folder))
        run.answer({}, lambda: _listing(series))


def port(project: Path, source: str, target: str, folder: Path, *, verbose: bool) -> None:
    """One kernel's series on another kernel."""
    with session(project, verbose=verbose) as run:
        series = _patches(run).port(source, target, _below(project, folder))
        run.answer({}, lambda: _listing(series))


def check(project: Path, name: str, *, verbose: bool) -> None:
    """The gate for a series."""
    with session(project, verbose=verbose) as run:
        _patches(run).check(name)
        run.answer({}, lambda: f"the series for Linux {name} is in order")


def _patches(run: Session) -> Patches:
    return Patches(layout=run.layout, fetcher=run.new_fetcher(), store=run.new_store(), progress=run.progress)


def _below(project: Path, folder: Path) -> Path:
    return folder if folder.is_absolute() else project / folder


def _listing(series: Series) -> str:
    return "\n".join([f"{series.name}: {len(series.patches)} patches", *(f"  {p.name}" for p in series.patches)])
