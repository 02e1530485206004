# SPDX-License-Identifier: GPL-2.0-only
"""Where the logs of boots go."""

from __future__ import annotations

from pathlib import Path

from unilinux.vm import evidence


def evidence_folder(image: Path, kind: str) -> Path:
    """A new folder for the logs of one boot of an image: ``runs/verify-20261127T073501Z-c0ffee``."""
    return evidence.evidence_folder(image / "runs", kind)
