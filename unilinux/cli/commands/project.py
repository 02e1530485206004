# SPDX-License-Identifier: GPL-2.0-only
"""What there is to choose from, the host, the patch series, and the project's own tests."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from unilinux.cli.session import session
from unilinux.cli.text.clean import cleaned_text
from unilinux.cli.text.tables import show_applications, show_profiles
from unilinux.ops import catalogue, checks, host, patches
from unilinux.ops.clean import clean as clean_up
from unilinux.ops.new import new as new_application
from unilinux.ops.patches import SeriesListing


def list_apps(project: Path, *, as_json: bool, verbose: bool) -> None:
    """List the applications."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = catalogue.applications(here.workshop)
        if as_json:
            here.answer(found, str)
        else:
            show_applications(found)


def list_profiles(project: Path, *, as_json: bool, verbose: bool) -> None:
    """List the profiles."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = catalogue.profiles(here.workshop)
        if as_json:
            here.answer(found, str)
        else:
            show_profiles(found)


def new(project: Path, name: str, program: str, *, as_json: bool, verbose: bool) -> None:
    """Write a manifest for a program."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        made = new_application(here.workshop, name, program)
        here.answer(made, lambda: f"{made.path}: edit it, then ./x verify --app {shlex.quote(made.option)}")


def show_host(project: Path, *, as_json: bool, verbose: bool) -> None:
    """See that every tool is there, and whether KVM runs guests."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = host.look_at_host(here.workshop)
        here.answer(found, lambda: f"all tools are there\n{found.engine.reason}\nthe cache is {found.cache}")


def clean(project: Path, *, cache: bool, as_json: bool, verbose: bool) -> None:
    """Remove the images, and the cache too if asked for."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = clean_up(here.workshop, cache=cache)
        here.answer(found, lambda: cleaned_text(found))


def test(project: Path, *, fast: bool, everything: bool, as_json: bool, verbose: bool) -> None:
    """Run the tests; ``fast``: the units only; ``everything``: also those that take long."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        output = sys.stderr if as_json else None
        found = checks.run_tests(here.workshop, fast=fast, everything=everything, output=output)
        here.answer(found, str)
        found.require()


def check(project: Path, *, as_json: bool, verbose: bool) -> None:
    """Run the quality gates."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = checks.run_gates(here.workshop, output=sys.stderr if as_json else None)
        here.answer(found, str)
        found.require()


def checkout(project: Path, kernel: str, folder: Path, *, as_json: bool, verbose: bool) -> None:
    """Make a work tree with one commit for each patch."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        there = patches.checkout(here.workshop, kernel, folder)
        here.answer(
            there, lambda: f"{there.folder}: change it and commit, then ./x patches.export --kernel {there.kernel}"
        )


def export(project: Path, kernel: str, folder: Path, *, as_json: bool, verbose: bool) -> None:
    """Write the work tree's commits as the series."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = patches.export(here.workshop, kernel, folder)
        here.answer(found, lambda: _listing(found))


def port(project: Path, source: str, target: str, folder: Path, *, as_json: bool, verbose: bool) -> None:
    """Carry one kernel's series over to another kernel."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = patches.port(here.workshop, source, target, folder)
        here.answer(found, lambda: _listing(found))


def check_patches(project: Path, kernel: str, *, as_json: bool, verbose: bool) -> None:
    """Check a series."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = patches.check(here.workshop, kernel)
        here.answer(found, lambda: f"the series for Linux {found.kernel} is in order")


def _listing(series: SeriesListing) -> str:
    return "\n".join([f"{series.name}: {len(series.patches)} patches", *(f"  {name}" for name in series.patches)])
