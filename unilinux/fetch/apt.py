# SPDX-License-Identifier: GPL-2.0-only
"""A private apt: its own lists below the cache, the user's package sources, no root.

What is offered, at which address and with which SHA-256 comes from indexes that
apt itself has verified by signature. Nothing of the host's own apt state is
read except its configuration, and nothing of it is written.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from urllib.parse import unquote

from unilinux.core.command import clean_environment, run
from unilinux.core.errors import CommandError, DownloadError, HostError
from unilinux.core.files import write_atomically

# apt's own downloader for one address: proxies, credentials and every transport that apt knows.
_HELPER = Path("/usr/lib/apt/apt-helper")
_LISTED_FILE = re.compile(r"^ *(\w{64}) (\d+) (\S+)$", re.MULTILINE)
# The user's own ways to the archives.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_HANDED_ON = ("APT_CONFIG", *_PROXIES, *(name.upper() for name in _PROXIES))
# What apt would unpack; an older version that it replaces stands in brackets.
_UNPACKED = re.compile(r"^Inst ([^\s:]+)\S*(?: \[[^\]]*\])? \((\S+) ", re.MULTILINE)
# What others see of a package that is there; its own needs don't count any more.
_SEEN = ("Package", "Version", "Architecture", "Multi-Arch", "Provides")
_POLL_S = 0.5  # how often a download's growing size is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that apt's signed indexes list, of a binary or a source package; ``address`` may not be known yet."""

    package: str
    version: str
    file: str
    sha256: str
    size_bytes: int
    source: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A binary package with all that it depends on, as apt is asked for it.

    ``version`` None is the newest. The packages in ``also`` come with all that they depend on, too; with
    ``recommends`` those that any of them recommends. The packages ``without`` count as installed: they don't come, and
    what only they need doesn't either.
    """

    package: str
    version: str | None = None
    also: tuple[str, ...] = ()
    recommends: bool = False
    without: tuple[str, ...] = ()


class PrivateApt:
    """apt with all that it writes below ``root``. One process at a time: the caller holds a lock."""

    def __init__(self, root: Path, *, log: Path) -> None:
        self._root = root
        self._log = log
        self.problems: tuple[str, ...] = ()
        """What the last :meth:`update` complained about; one bad source must not spoil the others."""

    @property
    def has_lists(self) -> bool:
        """Some package list was fetched before."""
        return any((self._root / "state/lists").glob("*_Packages*"))

    def update(self) -> None:
        """Take over the user's package sources, with their source packages, and fetch the lists.

        :raise HostError: apt isn't there, or no package source is configured.
        """
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._root / "sources", ignore_errors=True)
        sources = dict(_with_source_packages(self._configured_sources()))
        if not sources:
            raise HostError("apt has no package sources on this host", hint="add Debian's to /etc/apt/sources.list.d")
        for name, text in sources.items():
            write_atomically(self._root / "sources" / name, text)
        write_atomically(self._root / "status", "")
        self.problems = ()
        try:
            # Else a server that can't be reached is no error.
            self._run("apt-get", "-q", "-oAPT::Update::Error-Mode=any", "update")
        except CommandError as error:
            self.problems = _complaints(error)

    def packages(self, package: str) -> tuple[Offer, ...]:
        """The versions of a binary package that are offered, newest first (apt's order)."""
        return tuple(map(_offer, self._records("show", package)))

    def versions(self, packages: Mapping[str, str]) -> tuple[Offer, ...]:
        """These binary packages in just these versions; none if one of them isn't offered."""
        asked = [f"{package}={version}" for package, version in packages.items()]
        # A package that two sources have is listed twice.
        found = {offer.package: offer for offer in map(_offer, self._records("show", *asked))} if asked else {}
        return tuple(found[package] for package in packages) if found.keys() == packages.keys() else ()

    def names(self) -> tuple[str, ...]:
        """All binary packages that are offered."""
        return tuple(self._run("apt-cache", "-q", "pkgnames").split())

    def installation(self, wanted: Wanted) -> tuple[Offer, ...]:
        """What apt would unpack where nothing is installed, in its order.

        :raise DownloadError: apt finds no packages that fit each other.
        """
        present = [record for name in wanted.without for record in self._records("show", "--no-all-versions", name)]
        status = self._root / "present"
        write_atomically(status, "\n".join(map(_as_installed, present)))
        asked = (f"{wanted.package}={wanted.version}" if wanted.version else wanted.package, *wanted.also)
        options = (
            f"-oDir::State::status={status}",
            f"-oAPT::Install-Recommends={str(wanted.recommends).lower()}",
            "-oAPT::Install-Suggests=false",  # whatever the user's own system gets
        )
        try:
            text = self._run("apt-get", "-q", "--yes", "--simulate", *options, "install", *asked)
        except CommandError as error:
            raise DownloadError(
                f"apt finds no packages for {', '.join(asked)} that fit each other",
                details=_unmet(error),
                hint=f"see version, also and without in [source] of app.toml   (apt's whole output is in {self._log})",
            ) from error
        chosen = {package: version for package, version in _UNPACKED.findall(text) if package not in wanted.without}
        return self.versions(chosen)

    def source_files(self, source: str) -> tuple[Offer, ...]:
        """The files of every version of a source package that is offered."""
        return tuple(
            Offer(
                package=source,
                version=record["Version"],
                file=file,
                sha256=sha256,
                size_bytes=int(size),
                source=True,
            )
            for record in self._records("showsrc", "--only-source", source)
            for sha256, size, file in _LISTED_FILE.findall(record["Checksums-Sha256"])
        )

    def download(self, offer: Offer, target: Path, on_bytes: Callable[[int], None]) -> None:
        """Download to ``target``, in a folder that is the caller's to remove.

        ``on_bytes`` is told from time to time how many bytes have come.

        :raise DownloadError: not there any more, cut short, or not what the index promises.
        """
        if not _HELPER.exists():
            raise HostError(f"{_HELPER} is missing", hint="apt-get install apt")
        address = offer.address or self._address(offer)
        try:
            with _watched(target, on_bytes):
                self._run(str(_HELPER), "download-file", address, str(target), f"SHA256:{offer.sha256}")
        except CommandError as error:
            raise DownloadError(
                f"could not download {offer.file} ({offer.package} {offer.version})",
                details=_complaints(error),
                hint=f"check the network, then run the same command again   (apt's whole output is in {self._log})",
            ) from error

    def addressed(self, offers: Sequence[Offer]) -> tuple[Offer, ...]:
        """These binary packages with their addresses, which apt is asked for all at once."""
        asked = [f"{offer.package}={offer.version}" for offer in offers]
        # apt prints the file's name with the epoch's colon escaped; the address ends with the true one.
        found = {Path(unquote(address)).name: address for address, _ in self._addresses("download", *asked)}
        return tuple(replace(offer, address=found.get(offer.file, "")) for offer in offers)

    def _address(self, offer: Offer) -> str:
        asked = f"{offer.package}={offer.version}"
        words = ("--only-source", "--download-only", "source", asked) if offer.source else ("download", asked)
        for address, file in self._addresses(*words):
            if file == offer.file or not offer.source:
                return address
        raise DownloadError(f"apt offers {offer.file}, but gives no address for it", hint="run the same command again")

    def _addresses(self, *words: str) -> Iterator[tuple[str, str]]:
        """Addresses, each with the name of the file that apt would write."""
        for line in self._run("apt-get", "-qq", "--print-uris", *words).splitlines():
            # 'address' file size digest; notices may stand around it.
            fields = shlex.split(line) if line.startswith("'") else []
            if len(fields) >= 3:
                yield fields[0], fields[1]

    def _records(self, *words: str) -> Iterator[Mapping[str, str]]:
        try:
            text = self._run("apt-cache", "-q", *words)
        except CommandError:
            return  # “No packages found” is an answer, and the caller's to report
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.MULTILINE))
            # A record without a digest can't be verified: as good as not offered.
            if "Version" in fields and ("SHA256" in fields or "Checksums-Sha256" in fields):
                yield fields

    def _configured_sources(self) -> Iterator[Path]:
        text = self._run_plain(
            "apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"
        )
        places = dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
        if "LIST" in places and Path(places["LIST"]).is_file():
            yield Path(places["LIST"])
        if "PARTS" in places:
            parts = sorted(Path(places["PARTS"]).glob("*"))
            yield from (path for path in parts if path.suffix in (".list", ".sources"))

    def _run(self, program: str, *words: str) -> str:
        own = {
            "Dir::State": self._root / "state",
            "Dir::State::status": self._root / "status",
            "Dir::Cache": self._root / "cache",
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self._root / "sources",
            "APT::Sandbox::User": "",  # else root's apt changes to a user that may not write here
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        options = [word for key, value in own.items() for word in ("-o", f"{key}={value}")]
        return self._run_plain(program, *options, *words)

    def _run_plain(self, *argv: str) -> str:
        return run(argv, env=clean_environment(*_HANDED_ON), log=self._log).output


def _with_source_packages(paths: Iterator[Path]) -> Iterator[tuple[str, str]]:
    """The user's package sources as they stand (keys, options and all), each with its ``deb-src``."""
    for path in paths:
        text = path.read_text(errors="replace")
        if path.suffix == ".sources":
            text = re.sub(r"^(Types:[ \t]*deb)[ \t]*$", r"\1 deb-src", text, flags=re.MULTILINE | re.IGNORECASE)
        else:
            lines = text.splitlines()
            missing = [re.sub(r"^\s*deb(?=\s)", "deb-src", line) for line in lines if re.match(r"\s*deb\s", line)]
            text = "\n".join([*lines, *(line for line in missing if line not in lines)]) + "\n"
        yield path.name, text


def _offer(record: Mapping[str, str]) -> Offer:
    return Offer(
        package=record["Package"],
        version=record["Version"],
        file=Path(record["Filename"]).name,
        sha256=record["SHA256"],
        size_bytes=int(record["Size"]),
    )


def _as_installed(record: Mapping[str, str]) -> str:
    """The entry of a package in dpkg's list of what is installed."""
    fields = {name: record[name] for name in _SEEN if name in record}
    fields |= {"Status": "install ok installed", "Maintainer": "none", "Description": "not in the image"}
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _unmet(error: CommandError) -> tuple[str, ...]:
    """Which packages don't fit, in apt's words."""
    start = next((number for number, line in enumerate(error.tail) if "unmet dependencies" in line), None)
    return _complaints(error) if start is None else tuple(error.tail[start:])


def _complaints(error: CommandError) -> tuple[str, ...]:
    spoken = [line for line in error.tail if line.startswith(("E:", "W:", "Err:", "  ", "   "))]
    return tuple(spoken or error.tail)


@contextmanager
def _watched(path: Path, on_bytes: Callable[[int], None]) -> Iterator[None]:
    """Tell the size of a growing file while the ``with`` block runs."""
    done = Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            if path.exists():
                on_bytes(path.stat().st_size)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
