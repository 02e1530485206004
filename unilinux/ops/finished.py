# SPDX-License-Identifier: GPL-2.0-only
"""Images that were built before: found by folder or name, read, and measured once more."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.app.catalogue import MANIFEST_FILE, Catalogue
from unilinux.app.proposal import is_program
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.core.suggest import suggestion
from unilinux.image.record import ARTIFACTS, RECORD_FILE
from unilinux.image.request import find_app
from unilinux.kernel.kbuild import parse_config

_NEEDED = (RECORD_FILE, *(ARTIFACTS[name] for name in ("vmlinux_debug", "config")))
# What of image.json is read here and by those who measure it.
_FIELDS = ("name", "inputs", "sizes", "app", "profile", "machine", "ring", "syscall", "cmdline", "kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The folder of an image, and its ``image.json``."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The image's."""
        return str(self.record["name"])

    @property
    def config(self) -> dict[str, str]:
        """The kernel's configuration: every symbol that it mentions."""
        return parse_config((self.folder / ARTIFACTS["config"]).read_text(encoding="utf-8"))


def find_finished(layout: Layout, word: str) -> Finished:
    """The image that a word of the command line names: a folder, a name below ``build/``, or an application.

    :raise UsageError: it names none, or not a whole one.
    """
    catalogue = Catalogue(layout.apps)
    for folder in (Path(word), layout.build / word, _usual_folder(layout, catalogue, word)):
        if folder is not None and folder.is_dir() and not (folder / MANIFEST_FILE).is_file():
            return read_finished(folder)
    built = [path.parent.name for path in layout.build.glob(f"*/{RECORD_FILE}")]
    if catalogue.has(word) or is_program(word):
        raise UsageError(f"the image of {word} isn't built", hint=f"./x build --app {shlex.quote(word)}")
    known = ", ".join(sorted(built)) or "nothing yet, see ./x build"
    raise UsageError(
        f"there is no image {word!r}{suggestion(word, (*built, *catalogue.names))}",
        hint=f"name a folder, or what lies in {layout.build}: {known}",
    )


def read_finished(folder: Path) -> Finished:
    """The image in a folder.

    :raise UsageError: there is none, or it lacks what measuring takes.
    """
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} is not the folder of an image: it has no {missing[0]}",
            hint="name a folder that ./x build made, such as build/hello-tiny",
        )
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        missing = [name for name in _FIELDS if name not in record]
        if missing:
            raise KeyError(missing[0])
        return Finished(folder=folder, record=record)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / RECORD_FILE} does not describe an image: {error!r}") from error


def is_finished(folder: Path) -> bool:
    """Whether a folder has an image."""
    return (folder / RECORD_FILE).is_file()


def _usual_folder(layout: Layout, catalogue: Catalogue, word: str) -> Path | None:
    """Where the image of an application with its usual profile lies."""
    if not catalogue.has(word) and not is_program(word):
        return None
    app = find_app(word, layout)
    return layout.build / f"{app.word}-{app.manifest.profile}"
