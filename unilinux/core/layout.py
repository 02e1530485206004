"""Where things lie on this host."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.errors import HostError


@dataclass(frozen=True, slots=True)
class Layout:
    """The three folders UniLinux writes to or reads from; nothing lies outside them.

    ``project`` holds ``apps/``, ``configs/`` and ``patches/``; ``cache`` holds
    downloads and build steps and may be removed at any time; ``build`` gets the
    finished images.
    """

    project: Path
    cache: Path
    build: Path

    @classmethod
    def of(cls, project: Path, environ: Mapping[str, str]) -> Layout:
        """The layout for a checkout: ``$UNILINUX_CACHE``, else ``$XDG_CACHE_HOME/unilinux``.

        :raise HostError: the cache's path has a space or colon. Only the cache's: kernels are compiled there.
        """
        default = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unilinux"
        cache = Path(environ.get("UNILINUX_CACHE") or default)
        if re.search(r"[\s:]", os.path.abspath(cache)):
            raise HostError(
                f"the cache folder {os.path.abspath(cache)} has a space or colon in its path, "
                "which the kernel's build cannot cope with",
                hint="set UNILINUX_CACHE to a folder without, for example UNILINUX_CACHE=/var/tmp/unilinux",
            )
        build = Path(environ.get("UNILINUX_BUILD") or project / "build")
        return cls(project.resolve(), Path(os.path.abspath(cache)), Path(os.path.abspath(build)))

    @property
    def store(self) -> Path:
        """Finished build steps, by name and key."""
        return self.cache / "store"

    @property
    def downloads(self) -> Path:
        """Verified downloads, by digest."""
        return self.cache / "downloads"

    @property
    def logs(self) -> Path:
        """Full output of external commands."""
        return self.cache / "logs"

    @property
    def apps(self) -> Path:
        """The application catalogue."""
        return self.project / "apps"

    @property
    def profiles(self) -> Path:
        """The profiles."""
        return self.project / "configs" / "profiles"
