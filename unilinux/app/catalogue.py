# SPDX-License-Identifier: GPL-2.0-only
"""The applications that there are: the folders below ``apps/``, and any other folder with a manifest."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from unilinux.app.manifest import Manifest
from unilinux.core.document import key_lines, read_document
from unilinux.core.errors import ManifestError, UsageError
from unilinux.core.files import digest_bytes
from unilinux.core.suggest import unknown

MANIFEST_FILE = "app.toml"

_PLACES = f"--app names an application (./x apps lists them), a folder with an {MANIFEST_FILE}, or a program"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A Kconfig symbol that the application asks for, with the place and the reason."""

    symbol: str
    value: str
    file: Path
    line: int | None
    why: str
    kernel: str = ""
    """The only kernel that it is meant for, such as ``6.12``; empty: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application: its manifest, and the folder in which the manifest's local files lie."""

    folder: Path
    manifest: Manifest
    given: Path | None = None
    """What the user names it by if it isn't in the catalogue: its folder, or its program. An absolute path."""

    @property
    def option(self) -> str:
        """What ``--app`` names it by: its name, or a path if it is the user's own."""
        return self.manifest.name if self.given is None else str(self.given)

    @property
    def word(self) -> str:
        """What tells it from others in names of images: folders in two places may have one name."""
        name = self.manifest.name
        return name if self.given is None else f"{name}-{place_word(self.given)}"

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self.folder / MANIFEST_FILE

    @property
    def needs(self) -> tuple[Need, ...]:
        """The ``[kernel]`` table, and those in it for single kernels, with lines, and comments as reasons."""
        text = self.path.read_text(encoding="utf-8")
        lines = key_lines(text)

        def need(path: str, symbol: str, value: str, kernel: str = "") -> Need:
            line = lines.get(f"{path}.{symbol}")
            return Need(symbol=symbol, value=value, file=self.path, line=line, why=_comment(text, line), kernel=kernel)

        needs: list[Need] = []
        for name, value in self.manifest.kernel.items():
            if isinstance(value, str):
                needs.append(need("kernel", name, value))
            else:
                needs += (need(f"kernel.{name}", symbol, own, name) for symbol, own in value.items())
        return tuple(needs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """An application whose manifest doesn't hold."""

    name: str
    error: ManifestError


class Catalogue:
    """The applications below a folder. Nothing is read before it is asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all applications, sorted."""
        return tuple(sorted(path.parent.name for path in self._root.glob(f"*/{MANIFEST_FILE}")))

    def find(self, word: str) -> App:
        """The application of that name, or the one in the folder at that path.

        A word with a ``/`` is a path. So is the name of a folder, unless an application has it.

        :raise UsageError: there is none; the message suggests the nearest.
        :raise ManifestError: its manifest doesn't hold.
        """
        if word not in self.names and _is_path(word):
            return self._at(word)
        if word not in self.names:
            raise UsageError(unknown("application", word, self.names), hint="./x apps   lists them")
        return load_app(self._root / word)

    def has(self, word: str) -> bool:
        """Whether a word names an application, be its manifest right or not."""
        return word in self.names or (_is_path(word) and (Path(word) / MANIFEST_FILE).is_file())

    def all(self) -> tuple[App | Broken, ...]:
        """Every application, sorted by name, and for a manifest that doesn't hold what is wrong with it."""
        return tuple(self._load(name) for name in self.names)

    def _at(self, path: str) -> App:
        folder = Path(path).resolve()
        if not folder.is_dir():
            what = "is neither a folder nor a program (an ELF file)" if folder.exists() else "does not exist"
            raise UsageError(f"the application {path} {what}", hint=_PLACES)
        if not (folder / MANIFEST_FILE).is_file():
            raise UsageError(f"the folder {path} is no application: it has no {MANIFEST_FILE}", hint=_PLACES)
        if folder.parent == self._root.resolve():
            return load_app(self._root / folder.name)
        return replace(load_app(folder), given=folder)

    def _load(self, name: str) -> App | Broken:
        try:
            return self.find(name)
        except ManifestError as error:
            return Broken(name=name, error=error)


def load_app(folder: Path) -> App:
    """Read ``folder/app.toml`` and check that the folder fits it.

    :raise ManifestError: it doesn't hold, is not named as its folder, or misses a local file.
    """
    path = folder / MANIFEST_FILE
    manifest = read_document(path, Manifest)
    problems = []
    if manifest.name != folder.name:
        problems.append(f"{path}: name: {manifest.name!r} must be the folder's name, {folder.name!r}")
    wanted = [*manifest.source.beside, *(file.local for file in manifest.files if file.local is not None)]
    templates = [file.template for file in manifest.files if file.template is not None]
    missing = [name for name in (*wanted, *templates) if not (folder / name).exists()]
    problems += [f"{path}: {name} does not exist in {folder}" for name in missing]
    problems += [f"{path}: {name} is a folder: a template is a file" for name in templates if (folder / name).is_dir()]
    if problems:
        raise ManifestError(f"{path}: the folder does not fit the manifest", details=problems)
    return App(folder=folder, manifest=manifest)


def place_word(place: Path) -> str:
    """Eight digits that tell a place on this host from others."""
    return digest_bytes(os.fsencode(place))[:8]


def _is_path(word: str) -> bool:
    return "/" in word or (word != "" and Path(word).is_dir())


def _comment(text: str, line: int | None) -> str:
    """What stands behind the ``#`` on a line of simple ``KEY = "value"`` form."""
    if line is None:
        return ""
    found = re.match(r"""[^#"']*("[^"]*"|'[^']*')?\s*#\s*(.*)""", text.splitlines()[line - 1])
    return found[2].strip() if found else ""
