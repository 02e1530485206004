# SPDX-License-Identifier: GPL-2.0-only
"""What was found out about this host, and is remembered where the answer was certain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.files import write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether something works here; ``reason`` says why in a few words.

    ``certain``: the next try would find the same. A host that was too busy to answer gave no answer.
    """

    works: bool
    reason: str
    certain: bool = True


def remembered(path: Path, find: Callable[[], Finding]) -> Finding:
    """What the file tells, else what is found now; only a certain answer is written to the file."""
    try:
        return Finding(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        found = find()
    if found.certain:
        write_atomically(path, json.dumps({"works": found.works, "reason": found.reason}) + "\n")
    return found
