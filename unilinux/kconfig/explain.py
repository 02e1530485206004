# SPDX-License-Identifier: GPL-2.0-only
"""What there is to say about one symbol, and about a whole configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from unilinux.kconfig.resolved import Resolved, Source, SymbolState

_ORDER = (Source.ASKED, Source.SELECTED, Source.IMPLIED, Source.BASE, Source.DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A symbol in a configuration, seen from all sides.

    ``depends_on`` is the expression of its Kconfig files, ``unmet`` what of it
    doesn't hold (phrases), ``ask_for`` the symbols that would mend that.
    ``selected_by`` are those that select it just now, ``could_be_selected_by``
    all others. ``needed_by`` are symbols now set that can't be without it.
    """

    state: SymbolState
    prompt: str
    help: str
    reason: str
    depends_on: str
    unmet: tuple[str, ...]
    ask_for: tuple[str, ...]
    selected_by: tuple[str, ...]
    could_be_selected_by: tuple[str, ...]
    selects: tuple[str, ...]
    needed_by: tuple[str, ...]
    choice_members: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for :meth:`from_json` and for ``--json``."""
        return {**asdict(self), "state": self.state.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Explanation:
        """The value that :meth:`to_json` was made from."""
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
        return cls(**{**values, "state": SymbolState.from_json(data["state"])})

    def lines(self) -> list[str]:
        """The explanation for people, a line each."""
        title = f"  “{self.prompt}”" if self.prompt else "  (no prompt)"
        found = [f"{self.state.name} = {self.state.value}{title}", f"  {self.reason}"]
        if self.state.why:
            found.append(f"  because: {self.state.why}")
        rows = {
            "depends on": self.depends_on,
            "unmet": "; ".join(self.unmet),
            "to ask for": " ".join(self.ask_for),
            "selected by": " ".join(self.selected_by),
            "can be selected by": _shortened(self.could_be_selected_by),
            "selects": " ".join(self.selects),
            "needed by": _shortened(self.needed_by),
            "one of": " ".join(self.choice_members),
            "defined at": self.state.defined_at,
        }
        return [*found, *(f"  {label}: {text}" for label, text in rows.items() if text)]


def table(resolved: Resolved) -> list[SymbolState]:
    """All symbols of a configuration: those asked for first, then what followed from them."""
    return sorted(resolved.symbols.values(), key=lambda state: (_ORDER.index(state.source), state.name))


def by_origin(resolved: Resolved) -> dict[str, tuple[SymbolState, ...]]:
    """The symbols by the file that asks for them, in their order there; the others by their source, last."""
    groups: dict[str, list[SymbolState]] = {}
    for state in table(resolved):
        for file in sorted({origin.file for origin in state.origins}):
            groups.setdefault(file, []).append(state)
    named = {file: tuple(sorted(groups[file], key=lambda state: _line_in(state, file))) for file in sorted(groups)}
    rest = {
        source.value: tuple(state for state in table(resolved) if state.source is source)
        for source in _ORDER
        if source not in (Source.ASKED, Source.BASE)
    }
    return {**named, **rest}


def _line_in(state: SymbolState, file: str) -> tuple[int, str]:
    return min((origin.line or 0 for origin in state.origins if origin.file == file), default=0), state.name


def _shortened(names: tuple[str, ...], limit: int = 12) -> str:
    more = f" … ({len(names)} in all)" if len(names) > limit else ""
    return " ".join(names[:limit]) + more
