# SPDX-License-Identifier: GPL-2.0-only
"""The outcome of a resolution: the .config, and for each symbol why it has its value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from unilinux.core.files import digest_bytes, write_atomically
from unilinux.kconfig.wish import Origin

CONFIG_FILE = ".config"
RESOLVED_FILE = "resolved.json"
_SCHEMA = 1


class Source(StrEnum):
    """How a symbol came by its value."""

    ASKED = "asked"
    BASE = "base"
    SELECTED = "selected"
    IMPLIED = "implied"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """A symbol's value, and where it comes from.

    ``origins`` are those who asked for it (or the lines of tinyconfig that did),
    ``by`` the symbols that select or imply it just now, and ``defined_at`` the
    ``file:line`` in the kernel tree of its definition.
    """

    name: str
    kind: str
    value: str
    source: Source
    origins: tuple[Origin, ...] = ()
    by: tuple[str, ...] = ()
    defined_at: str = ""
    why: str = ""

    @property
    def reason(self) -> str:
        """One phrase: ``asked for at configs/profiles/net.toml:12`` or ``selected by INET``."""
        if self.source is Source.ASKED:
            return "asked for at " + ", ".join(map(str, self.origins))
        if self.source is Source.BASE:
            return "tinyconfig, " + ", ".join(map(str, self.origins))
        if self.source is Source.DEFAULT:
            return f"default at {self.defined_at}"
        return f"{self.source} by {', '.join(self.by)}"

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`; what is empty is left out."""
        return {key: value for key, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SymbolState:
        """The value that :meth:`to_json` was made from."""
        return cls(
            name=data["name"],
            kind=data["kind"],
            value=data.get("value", ""),
            source=Source(data["source"]),
            origins=tuple(Origin(**origin) for origin in data.get("origins", ())),
            by=tuple(data.get("by", ())),
            defined_at=data.get("defined_at", ""),
            why=data.get("why", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A configuration that make accepts as it is.

    ``symbols`` holds, by name, every symbol that .config sets, and those asked to
    be n. ``kernel_version`` is that of the tree, ``warnings`` what kconfiglib had
    to say about its Kconfig files.
    """

    config: str
    kernel_version: str
    symbols: Mapping[str, SymbolState]
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many symbols .config sets: its lines ``CONFIG_X=…``."""
        return sum(line.startswith("CONFIG_") for line in self.config.splitlines())

    @property
    def digest(self) -> str:
        """SHA-256 of the .config, which is all that a kernel build may depend on."""
        return digest_bytes(self.config.encode())

    def value(self, name: str) -> str:
        """The value of a symbol; ``n`` if it is not set."""
        state = self.symbols.get(name)
        return state.value if state else "n"

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json`."""
        return {
            "schema": _SCHEMA,
            "kernel_version": self.kernel_version,
            "config": self.config,
            "symbols": [state.to_json() for _, state in sorted(self.symbols.items())],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Resolved:
        """The value that :meth:`to_json` was made from."""
        states = map(SymbolState.from_json, data["symbols"])
        return cls(
            config=data["config"],
            kernel_version=data["kernel_version"],
            symbols={state.name: state for state in states},
            warnings=tuple(data["warnings"]),
        )

    def write(self, folder: Path) -> None:
        """Write ``.config`` and ``resolved.json``.

        :raise HostError: the disk is full or read-only.
        """
        write_atomically(folder / CONFIG_FILE, self.config)
        write_atomically(folder / RESOLVED_FILE, json.dumps(self.to_json(), indent=1, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Resolved:
        """What :meth:`write` left in a folder."""
        return cls.from_json(json.loads((folder / RESOLVED_FILE).read_text(encoding="utf-8")))
