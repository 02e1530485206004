# SPDX-License-Identifier: GPL-2.0-only
"""A small package archive on this host, and a Fetcher whose apt knows no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.debs import Deb
from tests.unit.recorder import Recorder
from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.fetch.fetcher import Fetcher


@dataclass
class Archive:
    """A flat package archive, told to apt as trusted (it has no signature)."""

    root: Path
    packages: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def add_package(self, name: str, version: str, content: bytes, *, sha256: str | None = None) -> str:
        """Offer a package; ``sha256`` makes the index lie. The content's true SHA-256 comes back."""
        file = f"{name}_{version}_all.deb"
        (self.root / file).write_bytes(content)
        true = hashlib.sha256(content).hexdigest()
        self.packages.append(
            f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@y>\nDescription: d\n"
            f"Filename: ./{file}\nSize: {len(content)}\nSHA256: {sha256 or true}\n"
        )
        self.write()
        return true

    def add_deb(self, deb: Deb, *, sha256: str | None = None) -> str:
        """Offer a package with files and dependencies; ``sha256`` makes the index lie."""
        file = f"{deb.name}_{deb.version}_all.deb"
        (self.root / file).write_bytes(deb.bytes)
        true = hashlib.sha256(deb.bytes).hexdigest()
        size = len(deb.bytes)
        self.packages.append(f"{deb.control}Filename: ./{file}\nSize: {size}\nSHA256: {sha256 or true}\n")
        self.write()
        return true

    def add_source(self, name: str, version: str, file: str, content: bytes) -> str:
        (self.root / file).write_bytes(content)
        true = hashlib.sha256(content).hexdigest()
        dsc = f"{name}_{version}.dsc"
        (self.root / dsc).write_bytes(b"dsc")
        listed = [(hashlib.sha256(b"dsc").hexdigest(), 3, dsc), (true, len(content), file)]
        checksums = "".join(f" {digest} {size} {each}\n" for digest, size, each in listed)
        self.sources.append(
            f"Package: {name}\nBinary: {name}\nVersion: {version}\nMaintainer: x <x@y>\nArchitecture: all\n"
            f"Format: 1.0\nDirectory: .\nChecksums-Sha256:\n{checksums}"
        )
        self.write()
        return true

    def write(self) -> None:
        (self.root / "Packages").write_text("\n".join(self.packages))
        (self.root / "Sources").write_text("\n".join(self.sources))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    root = tmp_path / "archive"
    root.mkdir()
    archive = Archive(root)
    archive.write()
    return archive


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "project", tmp_path / "a cache", tmp_path / "build")


@pytest.fixture
def configured(tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets apt see a sources.list of the given text as the host's configuration, and no other."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/parts").mkdir()
    config = tmp_path / "etc/apt.conf"
    config.write_text(
        f'Dir::Etc::SourceList "{tmp_path}/etc/sources.list";\nDir::Etc::SourceParts "{tmp_path}/etc/parts";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))

    def write(text: str) -> None:
        (tmp_path / "etc/sources.list").write_text(text)

    write(f"deb [trusted=yes] file:{archive.root} ./\n")
    return write


@pytest.fixture
def fetcher(layout: Layout, recorder: Recorder, configured: Callable[[str], None]) -> Fetcher:
    return Fetcher(layout, Progress(recorder))
