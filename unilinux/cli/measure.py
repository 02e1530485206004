"""Measuring images: boots to the instruction, bytes, memory, and a page about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unilinux.cli import measure_text as texts
from unilinux.cli.against import beside, beside_text, count_rival, pinned_rival, prepare_rival
from unilinux.cli.choice import Choice
from unilinux.cli.finished import find_finished, read_finished
from unilinux.cli.least_memory import find_least_memory
from unilinux.cli.session import session
from unilinux.cli.specimen import build_specimen, clock, count, memory_in_use, sizes
from unilinux.core.errors import UsageError
from unilinux.core.files import write_atomically
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.boots import disagreements
from unilinux.measure.budget.budget import config_changes
from unilinux.measure.budget.history import read_history
from unilinux.report.page import Subject, render_page

HISTORY_FILE = "history.jsonl"
REPORT_FILE = "report.html"


def boot(project: Path, choice: Choice, *, runs: int, as_json: bool, verbose: bool, against: str = "") -> None:
    """Count the instructions of a boot, ``runs`` times, and time as many beside; ``against`` is a stock kernel."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        if runs < 1:
            raise UsageError("at least one run is needed", hint="--runs 3")
        pinned = pinned_rival(here, against) if against else None
        specimen = build_specimen(here, choice)
        counted = count(here, specimen, runs)
        shown = counted[0].with_memory(memory_in_use(here, specimen))
        wall = clock(here, specimen, runs)
        differ = disagreements(counted, until=texts.last_exact_stage(counted[0]))
        subject = specimen.describe()
        document = texts.boot_document(subject, shown, differ, wall)
        lines = [texts.boot_text(subject, shown, differ, wall)]
        if pinned:
            other = beside(here, specimen, pinned, runs=runs)
            document["against"] = other.document()
            lines.append(beside_text(specimen.plan.name, shown, other))
        here.answer(document, lambda: "\n\n".join(lines))


def size(project: Path, choice: Choice, *, against: str, as_json: bool, verbose: bool) -> None:
    """Show where an image's bytes are, and what differs from another image's."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        other = find_finished(here.layout, against) if against else None
        specimen = build_specimen(here, choice)
        folder = specimen.image.folder
        now = sizes(here, folder, specimen.image.record["inputs"])
        document: dict[str, Any] = {
            **specimen.describe(),
            "parts": specimen.image.record["sizes"],
            **now.document(),
        }
        lines = [texts.size_text(specimen.plan.name, now, specimen.image.record["sizes"])]
        if other:
            was = sizes(here, other.folder, dict(other.record["inputs"]))
            changed = config_changes(other.config, read_finished(folder).config)
            document["against"] = texts.against_document(other.name, was, now, changed)
            lines.append(texts.against_text(other.name, was, now, changed))
        here.answer(document, lambda: "\n".join(lines))


def memory(project: Path, choice: Choice, *, timeout_s: float, as_json: bool, verbose: bool) -> None:
    """Find the least memory with which an image does what its manifest promises."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        specimen = build_specimen(here, choice)
        found = find_least_memory(here, specimen, low=LEAST_MEMORY_MIB, high=specimen.memory_mib, timeout_s=timeout_s)
        here.answer({**specimen.describe(), **found.document()}, lambda: f"{specimen.plan.name}: {found.explain()}")


def report(
    project: Path,
    apps: Sequence[str],
    *,
    profile: str,
    machine: str,
    against: str = "",
    as_json: bool,
    verbose: bool,
) -> None:
    """Measure some applications and write a page about them, with the history of their budgets.

    ``against`` is a stock kernel, whose boots with the same applications stand beside.
    """
    with session(project, as_json=as_json, verbose=verbose) as here:
        if not apps:
            raise UsageError("a report is about at least one application", hint="./x report --app hello --app nginx")
        pinned = pinned_rival(here, against) if against else None
        subjects = []
        for app in dict.fromkeys(apps):
            specimen = build_specimen(here, Choice(app=app, profile=profile, machine=machine))
            (counted,) = count(here, specimen)
            bytes_of = sizes(here, specimen.image.folder, specimen.image.record["inputs"])
            subjects.append(Subject(label=specimen.plan.name, boot=counted, size=bytes_of))
            if pinned:
                rival = prepare_rival(here, specimen, pinned)
                subjects.append(Subject(label=rival.label, boot=count_rival(here, rival)))
        history = [one for one in read_history(here.layout.build / HISTORY_FILE) if one.app in apps]
        path = here.layout.build / REPORT_FILE
        write_atomically(path, render_page("UniLinux: what images cost", subjects, history))
        here.answer({"report": str(path), "images": [subject.label for subject in subjects]}, lambda: str(path))
