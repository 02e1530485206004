# SPDX-License-Identifier: GPL-2.0-only
"""What was removed, in words."""

from __future__ import annotations

from unilinux.ops.clean import Cleaned


def cleaned_text(found: Cleaned) -> str:
    """A line for each thing that is gone or stays, and how much space is free now."""
    lines = [f"removed {one.path} ({_megabytes(one.size_bytes)})" for one in found.removed]
    lines += [f"kept {one.path}: {one.reason}" for one in found.kept]
    total = f"{_megabytes(found.freed_bytes)} are free now" if found.removed else "there was nothing to remove"
    return "\n".join([*lines, total])


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
