"""What is kept of a boot, beside its logs."""

from __future__ import annotations

import json
from dataclasses import asdict

from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import End
from unilinux.vm.report import Report

BOOT_FILE = "boot.json"


def write_boot_file(
    boot: Boot, engine: Engine, *, version: str, seconds: float, report: Report, outcome: End | None, killed: bool
) -> None:
    """Write what was booted, by what, and how that ended: ``boot.json``.

    ``outcome`` is None while the machine runs; ``killed``: it was ended by us. Nothing
    happens when the disk is full: the other evidence is as good without this.
    """
    document = {
        "engine": engine.name,
        "version": version,
        "reason": engine.reason,
        "abilities": engine.abilities.document(),
        **boot.document(),
        "seconds": round(seconds, 3),
        "report": asdict(report),
        "outcome": None if outcome is None else {"kind": type(outcome).__name__, **asdict(outcome)},
        "killed": killed,
    }
    try:
        (boot.evidence / BOOT_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError:
        pass
