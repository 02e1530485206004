"""The finished image's folder: what users copy away, boot and compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unilinux.core.files import copy_atomically, digest_file, write_atomically
from unilinux.image.record import ARTIFACTS, RECORD_FILE
from unilinux.kconfig.resolved import RESOLVED_FILE, Resolved
from unilinux.kernel.kbuild import KernelImage


def publish(kernel: KernelImage, resolved: Resolved, record: Mapping[str, Any], folder: Path) -> Path:
    """Bring ``folder`` up to date; files that are right already aren't written again.

    ``image.json`` comes last, so that it never describes files that aren't there.

    :raise HostError: the disk is full or read-only; each file is either old or new.
    """
    for name, file in ARTIFACTS.items():
        wanted = record["artifacts"][name]
        target = folder / file
        if not target.is_file() or target.stat().st_size != wanted["size"] or digest_file(target) != wanted["sha256"]:
            copy_atomically(kernel.output.path / file, target)
    resolved_text = json.dumps(resolved.to_json(), indent=1, sort_keys=True) + "\n"
    for file, text in ((RESOLVED_FILE, resolved_text), (RECORD_FILE, json.dumps(record, indent=2) + "\n")):
        if not (folder / file).is_file() or (folder / file).read_text(encoding="utf-8") != text:
            write_atomically(folder / file, text)
    return folder
