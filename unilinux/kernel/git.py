# SPDX-License-Identifier: GPL-2.0-only
"""git without the user's or the host's configuration: the same patches give the same files everywhere."""

from __future__ import annotations

import os

from unilinux.core.command import clean_environment


def git_environment(**more: str) -> dict[str, str]:
    """What git gets: no configuration but the repository's own, and none of the caller's ``GIT_`` variables."""
    return clean_environment(TZ="UTC", GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", **more)
