# SPDX-License-Identifier: GPL-2.0-only
"""A plan out of ``image.json``: a finished image is booted, checked and measured as it was built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import App
from unilinux.app.manifest import Manifest
from unilinux.core.errors import UsageError
from unilinux.image.entry import Entry
from unilinux.image.record import RECORD_FILE, SCHEMA
from unilinux.image.request import Plan
from unilinux.kconfig.profile import EntryDefaults, MachineDefaults, Profile
from unilinux.kconfig.wish import Layer
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec


def recorded_plan(record: Mapping[str, Any], folder: Path) -> Plan:
    """What the image in ``folder`` was built and is booted by, from its ``image.json`` alone.

    Nothing is looked up: the application and the profile may have changed since, or be gone. The plan
    isn't one to build from, as it doesn't have the profile's wishes.

    :raise UsageError: the record isn't one of this version.
    """
    if record.get("schema") != SCHEMA:
        raise UsageError(
            f"{folder / RECORD_FILE} was written by another version of UniLinux",
            hint=f"build the image anew: {record.get('reproduce') or './x build'}",
        )
    try:
        manifest = Manifest.model_validate_json(json.dumps(record["manifest"]))
        machine = compose(MachineSpec.from_json(record["machine"]))
        entry = Entry(ring=record["ring"], syscall=record["syscall"])
        name = str(record["profile"])
        words = tuple(str(record["cmdline"]).split())[len(machine.cmdline) + len(manifest.run.kernel_words) :]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{folder / RECORD_FILE} does not describe an image: {error!r}") from error
    profile = Profile(
        name=name,
        option=name,
        summary="",
        chain=(name,),
        layer=Layer(name=name, wishes=()),
        cmdline=words,
        machine=MachineDefaults(target=machine.spec.target),
        entry=EntryDefaults.model_validate({"ring": entry.ring, "syscall": entry.syscall}),
    )
    return Plan(app=App(folder=folder, manifest=manifest), profile=profile, machine=machine, entry=entry)
