"""Observing what an application uses of the kernel, on a kernel that has more than it needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.evidence import evidence_folder
from unilinux.cli.images import build_image
from unilinux.cli.observe_text import evidence_text, symbol_text
from unilinux.cli.session import Session, session
from unilinux.core.files import write_atomically
from unilinux.observe.observe import USAGE_FILE, Observation
from unilinux.observe.usage import Usage
from unilinux.vm.choose import native_engine

# What an application does on a kernel that lacks something says nothing of what it would use.
GENEROUS = "server"


def observe(project: Path, choice: Choice, *, symbol: str, as_json: bool, verbose: bool) -> None:
    """Show what an application uses, or what was seen of one symbol."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        evidence = observed(here, choice)
        if symbol:
            one = evidence.of(symbol)
            here.answer(one.document(), lambda: symbol_text(one))
        else:
            here.answer(evidence.document(), lambda: evidence_text(evidence))


def observed(here: Session, choice: Choice) -> Usage:
    """The evidence of an application, in ring 3; it is also written to ``build/APP-PROFILE/observed.json``.

    Without a profile the kernel is that of :data:`GENEROUS`. Raises as :meth:`Observation.run`.
    """
    generous = replace(choice, profile=choice.profile or GENEROUS, ring="3", syscall="trap")
    plan = generous.plan(here)
    plan = plan.forwarding(plan.app.manifest.run.ports)
    image = build_image(here, plan)
    evidence = Observation(
        image=image,
        engine=native_engine("tcg", here.layout.cache),
        evidence=evidence_folder(image.folder, "observe"),
        store=here.new_store(),
    ).run()
    path = here.layout.build / f"{choice.app}-{plan.profile.name}" / USAGE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(evidence.document(), indent=1) + "\n")
    return evidence
