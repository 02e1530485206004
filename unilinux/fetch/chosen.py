# SPDX-License-Identifier: GPL-2.0-only
"""What apt once chose for a package with its dependencies, kept in the cache so that it stays the same there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from unilinux.core.files import digest_bytes, write_atomically
from unilinux.fetch.apt import Offer, Wanted


def chosen_file(folder: Path, wanted: Wanted) -> Path:
    """Where the answer to a question is kept: each question has its own."""
    question = digest_bytes(json.dumps(asdict(wanted), sort_keys=True).encode())
    return folder / f"{wanted.package}={wanted.version or 'newest'}+{question[:16]}.json"


def write_chosen(path: Path, wanted: Wanted, offers: Sequence[Offer]) -> None:
    """Keep an answer, in apt's order."""
    packages = [{"package": offer.package, "version": offer.version, "sha256": offer.sha256} for offer in offers]
    write_atomically(path, json.dumps({"wanted": asdict(wanted), "packages": packages}, indent=1) + "\n")


def read_chosen(path: Path) -> Mapping[str, tuple[str, str]]:
    """Version and SHA-256 of each package, in apt's order; nothing if there is no answer, or it was damaged."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["packages"]
        found = {entry["package"]: (entry["version"], entry["sha256"]) for entry in listed}
        good = all(re.fullmatch(r"[0-9a-f]{64}", sha256) for _, sha256 in found.values())
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if good else {}
