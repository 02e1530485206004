"""What there is to choose from."""

from __future__ import annotations

from pathlib import Path

from unilinux.app.catalogue import Catalogue
from unilinux.cli.session import session
from unilinux.kconfig.profile import profile_names, read_profile
from unilinux.report.tables import Column


def list_apps(project: Path, *, as_json: bool, verbose: bool) -> None:
    """List the applications."""
    with session(project, as_json=as_json, verbose=verbose) as run:
        manifests = [app.manifest for app in Catalogue(run.layout.apps).all()]
        run.answer_table(
            [
                {"name": m.name, "version": m.version, "summary": m.summary, "profile": m.profile, "ports": m.run.ports}
                for m in manifests
            ],
            (Column("application"), Column("version"), Column("profile"), Column("ports"), Column("", dim=True)),
            [(m.name, m.version, m.profile, " ".join(map(str, m.run.ports)), m.summary) for m in manifests],
        )


def list_profiles(project: Path, *, as_json: bool, verbose: bool) -> None:
    """List the profiles."""
    with session(project, as_json=as_json, verbose=verbose) as run:
        folder = run.layout.profiles
        profiles = [read_profile(folder, name, root=run.layout.project) for name in profile_names(folder)]
        run.answer_table(
            [{"name": p.name, "summary": p.summary, "extends": list(p.chain[:-1])} for p in profiles],
            (Column("profile"), Column("stands on"), Column("", dim=True)),
            [(p.name, " ".join(p.chain[:-1]), p.summary) for p in profiles],
        )
