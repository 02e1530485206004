# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie on this host."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.core.errors import HostError
from unilinux.core.files import explained_disk_errors, write_atomically

DOWNLOADS, COMPILER_CACHE, SEARCHES = "downloads", "ccache", "minimise"

CACHE_FOLDERS = ("store", DOWNLOADS, "apt", COMPILER_CACHE, "kvm", "logs", SEARCHES, "sandbox")
"""All that is made inside the cache."""

CACHE_TAG = "CACHEDIR.TAG"
"""The file that marks a folder as a cache (https://bford.info/cachedir/): backups leave it out, and it says whose."""

_TAG_TEXT = """\
Signature: 8a477f597d28d172789f06886806bc55
# This folder is the cache of UniLinux, and may be removed at any time: ./x clean --cache
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """The three folders UniLinux writes to or reads from; nothing lies outside them.

    ``project`` holds ``apps/``, ``configs/`` and ``patches/``, and ``volumes/`` with the data of what is run;
    ``cache`` holds downloads and build steps and may be removed at any time; ``build``
    gets the finished images.
    """

    project: Path
    cache: Path
    build: Path
    cache_limit_bytes: int = field(default=20 << 30, kw_only=True)
    """How large the cache may become before what was used longest ago is removed from it."""

    @classmethod
    def of(cls, project: Path, environ: Mapping[str, str]) -> Layout:
        """The layout for a checkout: ``$UNILINUX_CACHE``, else ``$XDG_CACHE_HOME/unilinux``.

        ``$UNILINUX_CACHE_LIMIT`` is :attr:`cache_limit_bytes` as a number of GiB, or with K, M, G or T behind it.

        :raise HostError: the cache's path has a space or colon (only the cache's: kernels are compiled there);
            it isn't said and there is no home folder; or the limit is no size.
        """
        cache = _cache(environ)
        if re.search(r"[\s:]", os.path.abspath(cache)):
            raise HostError(
                f"the cache folder {os.path.abspath(cache)} has a space or colon in its path, "
                "which the kernel's build cannot cope with",
                hint="set UNILINUX_CACHE to a folder without, for example UNILINUX_CACHE=/srv/unilinux-cache",
            )
        build = Path(environ.get("UNILINUX_BUILD") or project / "build")
        limit = _size(environ.get("UNILINUX_CACHE_LIMIT") or "20")
        return cls(
            project.resolve(), Path(os.path.abspath(cache)), Path(os.path.abspath(build)), cache_limit_bytes=limit
        )

    @property
    def store(self) -> Path:
        """Finished build steps, by name and key."""
        return self.cache / "store"

    @property
    def downloads(self) -> Path:
        """Verified downloads, by digest."""
        return self.cache / DOWNLOADS

    @property
    def compiler_cache(self) -> Path:
        """Objects of C sources that were compiled before, kept by ccache."""
        return self.cache / COMPILER_CACHE

    @property
    def logs(self) -> Path:
        """Full output of external commands."""
        return self.cache / "logs"

    @property
    def apps(self) -> Path:
        """The application catalogue."""
        return self.project / "apps"

    @property
    def volumes(self) -> Path:
        """The data of applications that are run, by their names: no command removes it."""
        return self.project / "volumes"

    @property
    def profiles(self) -> Path:
        """The profiles."""
        return self.project / "configs" / "profiles"


def mark_cache(cache: Path) -> None:
    """Mark a folder as UniLinux's cache, unless it holds other things, too. It is made if it isn't there.

    :raise HostError: it can't be written.
    """
    tag = cache / CACHE_TAG
    if tag.exists():
        return
    with explained_disk_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        if all(path.name in CACHE_FOLDERS for path in cache.iterdir()):
            write_atomically(tag, _TAG_TEXT)


def is_marked(cache: Path) -> bool:
    """Whether :func:`mark_cache` marked a folder."""
    try:
        return (cache / CACHE_TAG).read_text(encoding="utf-8") == _TAG_TEXT
    except (OSError, ValueError):
        return False


def _cache(environ: Mapping[str, str]) -> Path:
    if environ.get("UNILINUX_CACHE"):
        return Path(environ["UNILINUX_CACHE"])
    try:
        return Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache") / "unilinux"
    except RuntimeError as error:  # neither HOME nor an entry in /etc/passwd
        raise HostError(
            "there is no home folder, and so no place for the cache",
            hint="set UNILINUX_CACHE to a folder, for example UNILINUX_CACHE=/srv/unilinux-cache",
        ) from error


def _size(text: str) -> int:
    """Bytes for ``20``, ``20G`` or ``500M``."""
    found = re.fullmatch(r"(\d{1,9})([KMGT]?)", text.strip().upper())
    if found is None:
        raise HostError(
            f"UNILINUX_CACHE_LIMIT is {text!r}, which is no size", hint="set it to a number of GiB, such as 20, or 500M"
        )
    return int(found[1]) << {"K": 10, "M": 20, "G": 30, "": 30, "T": 40}[found[2]]
