# SPDX-License-Identifier: GPL-2.0-only
"""Measuring images: boots to the instruction, bytes, memory, system calls, budgets, and a page about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.session import session
from unilinux.cli.text.budget import budgets_text
from unilinux.cli.text.diff import diff_text
from unilinux.cli.text.measure import boot_text, size_text
from unilinux.cli.text.survey import survey_page
from unilinux.core.files import write_atomically
from unilinux.image.request import Request
from unilinux.ops.boot import measure_boot
from unilinux.ops.budget import hold_budgets
from unilinux.ops.diff import diff as diff_images
from unilinux.ops.ladder import measure_ladder
from unilinux.ops.memory import measure_memory
from unilinux.ops.report import measure_report
from unilinux.ops.size import measure_image
from unilinux.ops.survey import survey
from unilinux.report.ladder import remarks, render
from unilinux.report.page import render_page


def boot(project: Path, choice: Choice, *, runs: int, against: str, as_json: bool, verbose: bool) -> None:
    """Count the instructions of a boot, ``runs`` times, and time as many beside; ``against`` is a stock kernel."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = measure_boot(here.workshop, choice.request(), runs=runs, against=against)
        here.answer(found, lambda: boot_text(found))


def size(project: Path, choice: Choice, *, against: str, as_json: bool, verbose: bool) -> None:
    """Show where an image's bytes are, and what differs from another image's."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = measure_image(here.workshop, choice.request(), against=against)
        here.answer(found, lambda: size_text(found))


def memory(project: Path, choice: Choice, *, timeout_s: float | None, as_json: bool, verbose: bool) -> None:
    """Find the least memory with which an image does what its manifest promises."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = measure_memory(here.workshop, choice.request(), timeout_s=timeout_s)
        here.answer(found, lambda: f"{found.name}: {found.found.explain()}")


def budget(
    project: Path, apps: Sequence[str], *, update: bool, timeout_s: float | None, as_json: bool, verbose: bool
) -> None:
    """Hold applications against their budgets, or save the present costs as their budgets."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = hold_budgets(here.workshop, apps, update=update, timeout_s=timeout_s)
        here.answer(found, lambda: budgets_text(found))
        found.require()


def report(
    project: Path, apps: Sequence[str], *, profile: str, machine: str, against: str, as_json: bool, verbose: bool
) -> None:
    """Measure some applications and write a page about them, with the history of their budgets."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        requests = [Request(app=app, profile=profile or None, target=machine or None) for app in apps]
        found = measure_report(here.workshop, requests, against=against)
        write_atomically(found.path, render_page("UniLinux: what images cost", found.images, found.history))
        here.answer(found, lambda: str(found.path))


def catalogue(project: Path, apps: Sequence[str], *, output: str, as_json: bool, verbose: bool) -> None:
    """Verify and measure applications, and write a page about them."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = survey(here.workshop, apps)
        page = survey_page(found)
        if output:
            write_atomically(Path(output), page)
        here.answer(found, lambda: output or page.rstrip())
        found.require()


def ladder(
    project: Path, apps: Sequence[str], *, profile: str, machine: str, rounds: int, as_json: bool, verbose: bool
) -> None:
    """Measure system calls and requests by each way into the kernel."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = measure_ladder(here.workshop, apps, profile=profile, machine=machine, rounds=rounds)
        here.answer_with({**found.document(), "remarks": remarks(found)}, lambda: render(found))


def diff(project: Path, images: tuple[str, str], *, boots: bool, as_json: bool, verbose: bool) -> None:
    """Show in what two finished images differ; ``boots`` counts a boot of each."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = diff_images(here.workshop, images, boots=boots)
        here.answer(found, lambda: diff_text(found))
