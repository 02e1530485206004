# SPDX-License-Identifier: GPL-2.0-only
"""ccache's folder: how much disk space it takes, and making it smaller. It keeps count itself, in many small files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from unilinux.core.command import clean_environment, run
from unilinux.core.errors import UniLinuxError

_SIZE = re.compile(r"^cache_size_kibibyte\s+(\d+)$", re.MULTILINE)
_LEAST_KIB = 1  # 0 would be no limit


def ccache_bytes(folder: Path) -> int:
    """How much it takes; 0 where ccache isn't installed or doesn't say."""
    found = _SIZE.search(_ccache(folder, "--print-stats"))
    return int(found[1]) << 10 if found else 0


def trim_ccache(folder: Path, limit_bytes: int) -> None:
    """Remove the objects that were used longest ago, as far as they exceed the limit. May run beside compiles."""
    _ccache(folder, "--cleanup", {"CCACHE_MAXSIZE": f"{max(_LEAST_KIB, limit_bytes >> 10)}Ki"})


def _ccache(folder: Path, word: str, settings: Mapping[str, str] | None = None) -> str:
    if not folder.is_dir() or shutil.which("ccache") is None:
        return ""
    env = clean_environment() | {"CCACHE_DIR": str(folder), "CCACHE_CONFIGPATH": "/dev/null", **(settings or {})}
    try:
        return run(["ccache", word], env=env).output
    except UniLinuxError:  # a folder in disorder is ccache's to mend, and fails no build
        return ""
