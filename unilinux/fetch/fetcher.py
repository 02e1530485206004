# SPDX-License-Identifier: GPL-2.0-only
"""Verified downloads, kept by digest: what is there once is never asked for again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from unilinux.core.errors import DownloadError
from unilinux.core.events import Progress, StepHandle
from unilinux.core.eviction import LEASES
from unilinux.core.files import digest_file, explained_disk_errors, flush_file, write_atomically
from unilinux.core.layout import DOWNLOADS, Layout
from unilinux.core.leases import Lease, lease_of
from unilinux.core.locks import locked
from unilinux.core.suggest import suggestion
from unilinux.fetch.apt import Offer, PrivateApt, Wanted
from unilinux.fetch.chosen import chosen_file, read_chosen, write_chosen

_SHOWN = 8  # offers that an error lists
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A verified file in the cache, and the version that it is."""

    path: Path
    version: str
    sha256: str


class Fetcher:
    """Packages and source files, from ``downloads/`` or else through a private apt or from a web server.

    What it has given is not evicted as long as this value lives.
    """

    def __init__(self, layout: Layout, progress: Progress) -> None:
        self._layout = layout
        self._progress = progress
        self._home = layout.cache / "apt"
        self._apt = PrivateApt(self._home, log=layout.logs / "apt.log")

    def debian_package(self, package: str, version: str | None, sha256: str | None = None) -> Fetched:
        """A binary package, in the pinned ``version`` if it is offered, else a near one.

        Debian withdraws old point releases: the newest version of the same upstream
        series then takes the place of the pinned one, which is said as a note. What
        was taken is remembered in the cache, so that it stays the same there.
        ``sha256`` is what the pinned version must have.

        :raise DownloadError: nothing that fits is offered, or it could not be fetched whole.
        """
        with self._progress.step("fetch", f"{package} from Debian", cacheable=True) as step:
            record = self._home / "resolved" / f"{package}={version or 'newest'}.json"
            found = self._kept_package(record, version, sha256)
            if found:
                step.cached()
                return found
            with self._working(step):
                found = self._kept_package(record, version, sha256)
                return found or self._resolve_package(step, record, package, version, sha256)

    def debian_packages(self, wanted: Wanted) -> Mapping[str, Fetched]:
        """A binary package with all that it depends on, by name, in the order in which apt would unpack them.

        Which packages and versions these are is asked of apt once and remembered in the cache. It is asked again,
        which is said as a note, when one of them is neither in the cache nor offered any more.

        :raise DownloadError: a package or version isn't offered, they don't fit each other, or one of them
            could not be fetched whole.
        """
        with self._progress.step("fetch", f"{wanted.package} with dependencies from Debian", cacheable=True) as step:
            record = chosen_file(self._home / "resolved", wanted)
            found = self._kept_packages(record)
            if found:
                step.cached()
                return found
            with self._working(step):
                return self._kept_packages(record) or self._lists_fresh_enough(
                    step, lambda: self._fetch_packages(step, record, wanted)
                )

    def debian_source_file(self, source: str, file: str, sha256: str) -> Path:
        """One file of a Debian source package, whichever version of the package has it.

        :raise DownloadError: no offered version has that file with that digest, or
            it could not be fetched whole.
        """

        def choose(offers: Sequence[Offer]) -> Offer | None:
            return next((offer for offer in offers if (offer.file, offer.sha256) == (file, sha256)), None)

        def obtain(step: StepHandle) -> Path:
            asked = f"{file} with SHA-256 {sha256} in Debian's source package {source}"
            return self._obtain(step, asked, lambda: self._apt.source_files(source), choose).path

        return self._kept_or_else(file, sha256, obtain)

    def web_file(self, url: str, sha256: str) -> Path:
        """What a web server has at an address, which begins with ``https://`` or ``http://``.

        :raise DownloadError: it can't be had, or has another digest.
        """
        name = _file_name(url)

        def obtain(step: StepHandle) -> Path:
            from unilinux.fetch.web import download  # its imports take long, and it is seldom needed

            def tell(size_bytes: int, whole_bytes: int | None) -> None:
                whole = f" of {whole_bytes / 1e6:.1f}" if whole_bytes is not None else ""
                step.detail(f"{name}: {size_bytes / 1e6:.1f}{whole} MB")

            part = self._partial / name
            download(url, part, tell)
            return self._keep(
                part,
                sha256,
                message=f"{url} has another content than was promised",
                hint="if that is the right file, set sha256 in app.toml to what arrived; nothing of it was kept",
            )

        return self._kept_or_else(name, sha256, obtain)

    def _kept_or_else(self, name: str, sha256: str, obtain: Callable[[StepHandle], Path]) -> Path:
        """The download of that digest; what isn't there yet is obtained by one run for all."""
        with self._progress.step("fetch", name, cacheable=True) as step:
            found = self._kept(sha256)
            if found:
                step.cached()
                return found
            with self._working(step):
                return self._kept(sha256) or obtain(step)

    def _resolve_package(
        self, step: StepHandle, record: Path, package: str, version: str | None, sha256: str | None
    ) -> Fetched:
        def choose(offers: Sequence[Offer]) -> Offer | None:
            pinned = next((offer for offer in offers if offer.version == version), None)
            if pinned and sha256 and pinned.sha256 != sha256:
                raise DownloadError(
                    f"{package} {version} is pinned to another content than Debian offers",
                    details=(f"pinned SHA-256  {sha256}", f"offered SHA-256 {pinned.sha256}"),
                    hint="if the pin is wrong, correct it in configs/kernels.toml",
                )
            return pinned or next((offer for offer in offers if _same_series(offer.version, version)), None)

        asked = f"{package} {version}" if version else package
        found = self._obtain(step, asked, lambda: self._apt.packages(package), choose)
        if version and found.version != version:
            self._progress.note(f"{package} {version} is not offered any more; {found.version} is used instead")
        content = {"package": package, "version": found.version, "sha256": found.sha256}
        write_atomically(record, json.dumps(content, indent=1) + "\n")
        return found

    def _obtain(
        self,
        step: StepHandle,
        asked: str,
        offers: Callable[[], Sequence[Offer]],
        choose: Callable[[Sequence[Offer]], Offer | None],
    ) -> Fetched:
        """Choose and download."""

        def attempt() -> Fetched:
            offered = offers()
            offer = choose(offered)
            if offer is None:
                raise self._not_offered(asked, offered)
            return self._download(step, offer)

        return self._lists_fresh_enough(step, attempt)

    def _lists_fresh_enough(self, step: StepHandle, attempt: Callable[[], _Found]) -> _Found:
        """What an attempt gives; with fresh lists when the old ones don't lead to it."""
        fresh = not self._apt.has_lists
        while True:
            if fresh:
                step.detail("fetching Debian's package lists")
                self._apt.update()
            try:
                return attempt()
            except DownloadError:
                if fresh:
                    raise
                fresh = True

    def _fetch_packages(self, step: StepHandle, record: Path, wanted: Wanted) -> Mapping[str, Fetched]:
        """What was chosen before, if it can still be had, or else what apt chooses now."""
        before = read_chosen(record)
        offers = self._apt.versions({package: version for package, (version, _) in before.items()})
        if {offer.package: (offer.version, offer.sha256) for offer in offers} != before or not before:
            step.detail(f"asking apt what {wanted.package} depends on")
            offers = self._installation(wanted)
            if before:
                self._progress.note(f"what {wanted.package} depended on isn't offered any more; versions are new")
        found = {offer.package: self._download(step, offer) for offer in self._apt.addressed(offers)}
        write_chosen(record, wanted, offers)
        return found

    def _installation(self, wanted: Wanted) -> tuple[Offer, ...]:
        for package in wanted.also:
            self._offered(package)
        offered = self._offered(wanted.package)
        if wanted.version is not None and wanted.version not in {offer.version for offer in offered}:
            raise self._not_offered(f"{wanted.package} {wanted.version}", offered)
        return self._apt.installation(wanted)

    def _offered(self, package: str) -> tuple[Offer, ...]:
        """The versions of a binary package that are offered, at least one."""
        offered = self._apt.packages(package)
        if not self._apt.has_lists:
            raise DownloadError(
                f"no package lists could be fetched, so nothing is known of {package}",
                details=self._apt.problems,
                hint="check the network and the sources in /etc/apt, then run the same command again",
            )
        if not offered:
            raise DownloadError(
                f"this host's package sources have no package {package}{suggestion(package, self._apt.names())}",
                details=self._apt.problems,
                hint="see that /etc/apt has a Debian source that offers it, and that the network works",
            )
        return offered

    def _kept_packages(self, record: Path) -> Mapping[str, Fetched]:
        """What this cache took for the same question before, if all of it is there."""
        chosen = read_chosen(record)
        kept = {package: (self._kept(sha256), version, sha256) for package, (version, sha256) in chosen.items()}
        found = {package: Fetched(path, *rest) for package, (path, *rest) in kept.items() if path is not None}
        return found if found.keys() == chosen.keys() else {}

    def _download(self, step: StepHandle, offer: Offer) -> Fetched:
        kept = self._kept(offer.sha256)
        if kept:
            return Fetched(kept, offer.version, offer.sha256)
        whole = offer.size_bytes / 1e6
        part = self._partial / offer.file

        def tell(size_bytes: int) -> None:
            step.detail(f"{offer.file}: {size_bytes / 1e6:.1f} of {whole:.1f} MB")

        tell(0)
        self._apt.download(offer, part, tell)
        # apt only links to a file that is on this host already (file: sources).
        if part.is_symlink():
            origin = part.resolve()
            part.unlink()
            shutil.copyfile(origin, part)
        target = self._keep(
            part,
            offer.sha256,
            message=f"{offer.file} arrived with another content than was promised",
            hint="run the same command again; nothing of the file was kept",
        )
        return Fetched(target, offer.version, offer.sha256)

    def _keep(self, part: Path, sha256: str, *, message: str, hint: str) -> Path:
        """Verify a file that has come, and give it its place; until then nobody sees it."""
        arrived = digest_file(part)
        if arrived != sha256:
            details = (f"promised SHA-256 {sha256}", f"arrived SHA-256  {arrived}")
            raise DownloadError(message, details=details, hint=hint)
        part.chmod(0o444)
        flush_file(part)
        target = self._layout.downloads / f"{sha256}-{part.name}"
        with self._taking(target):
            os.replace(part, target)
            os.utime(target)  # apt gives it the server's time
        flush_file(target.parent)
        return target

    def _kept(self, sha256: str) -> Path | None:
        for path in self._layout.downloads.glob(f"{sha256}-*"):
            with self._taking(path), contextlib.suppress(FileNotFoundError):  # it may just have been evicted
                if path.stat().st_size:
                    with contextlib.suppress(PermissionError):
                        os.utime(path)  # the time of its last use
                    return path
        return None

    @contextmanager
    def _taking(self, path: Path) -> Iterator[None]:
        """Keep a download from being evicted; whether it is there may be looked up in the ``with`` block."""
        with explained_disk_errors(self._layout.cache), self._lease.taking(f"{DOWNLOADS}/{path.name}"):
            yield

    @cached_property
    def _lease(self) -> Lease:
        return lease_of(self._layout.store / LEASES)

    def _kept_package(self, record: Path, version: str | None, sha256: str | None) -> Fetched | None:
        """What this cache took for the same question before, or else the pinned file itself."""
        before = _read_record(record)
        if before is not None:
            path = self._kept(before.sha256)
            # A pin that was corrected since counts for its own version.
            corrected = before.version == version and sha256 not in (None, before.sha256)
            if path and not corrected:
                return Fetched(path, before.version, before.sha256)
        path = self._kept(sha256) if sha256 else None
        return Fetched(path, version, sha256) if path and version and sha256 else None

    def _not_offered(self, asked: str, offered: Sequence[Offer]) -> DownloadError:
        lines = [f"offered: {offer.version}  {offer.file}  {offer.sha256}" for offer in offered]
        if len(lines) > _SHOWN:
            lines[_SHOWN:] = [f"… and {len(lines) - _SHOWN} more"]
        reason = "" if lines else ": they offer no version of it"
        return DownloadError(
            f"this host's package sources don't have {asked}{reason}",
            details=(*lines, *self._apt.problems),
            hint="pin one of those that are offered, with its SHA-256"
            if offered
            else "see that /etc/apt has a Debian source that offers it, and that the network works",
        )

    @property
    def _partial(self) -> Path:
        return self._layout.downloads / "partial"

    @contextmanager
    def _working(self, step: StepHandle) -> Iterator[None]:
        """The one run that uses the private apt; whatever it leaves half-done is removed."""
        step.working()
        with explained_disk_errors(self._layout.cache):
            self._home.mkdir(parents=True, exist_ok=True)
            self._layout.downloads.mkdir(parents=True, exist_ok=True)
            with locked(self._home / "lock", lambda: step.detail("waiting for another run's download")):
                shutil.rmtree(self._partial, ignore_errors=True)  # of a run that was killed
                self._partial.mkdir()
                try:
                    yield
                finally:
                    shutil.rmtree(self._partial, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class _Taken:
    version: str
    sha256: str


def _read_record(path: Path) -> _Taken | None:
    """What was taken for a question before; a damaged record is as good as none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version, sha256 = document["version"], document["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    good = isinstance(version, str) and isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256)
    return _Taken(version, sha256) if good else None


def require_intact(path: Path, sha256: str) -> None:
    """See that a kept download is what it was when it came; to be called before it is used.

    :raise DownloadError: it isn't; it was removed.
    """
    if digest_file(path) != sha256:
        path.unlink(missing_ok=True)
        raise DownloadError(
            f"the kept download {path} was damaged, and was removed",
            hint="run the same command again: it is fetched anew",
        )


def _file_name(url: str) -> str:
    """A name for what lies at an address: the last part of its path, as far as any file system takes it."""
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    return re.sub(r"[^A-Za-z0-9._+~-]", "_", last).lstrip(".")[-100:] or "download"


def _same_series(version: str, pinned: str | None) -> bool:
    """Whether both are of one upstream series: 6.12.117-1 and 6.12.120-2, not 6.13.1-1."""
    return pinned is None or _series(version) == _series(pinned)


def _series(version: str) -> tuple[str, ...]:
    upstream = version.split(":", 1)[-1]
    return tuple(re.findall(r"\d+", upstream)[:2])
