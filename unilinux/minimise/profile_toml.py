# SPDX-License-Identifier: GPL-2.0-only
"""The result as a profile: every symbol that has to be asked for, with the reason beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from unilinux.image.request import Plan
from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import ORIGIN
from unilinux.minimise.shrink import Shrunk
from unilinux.observe.usage import SymbolUsage

_LONGEST = 150
_WIDTH = 116


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Everything that goes into the profile."""

    plan: Plan
    resolved: Resolved
    shrunk: Shrunk
    keep: Mapping[str, str]
    """The part of the keep-list that is on, with the reasons."""
    trials: int
    usage: Mapping[str, SymbolUsage] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The profile's name."""
        return f"{self.plan.app.word}-minimal"

    @property
    def stated(self) -> tuple[SymbolState, ...]:
        """The symbols that the profile asks for. Those that were taken away need no line."""
        files = {*profile_files(self.plan), ORIGIN.file}
        return tuple(
            state
            for _, state in sorted(self.resolved.symbols.items())
            if state.source is Source.ASKED
            and any(origin.file in files for origin in state.origins)
            and not (state.value == "n" and state.origins == (ORIGIN,))
        )


def profile_files(plan: Plan) -> Collection[str]:
    """The files of a plan's profile and of all that it extends, as origins name them."""
    files: set[str] = set()
    layer = plan.profile.layer
    while True:
        files |= {wish.origin.file for wish in layer.wishes}
        if layer.base is None:
            return files
        layer = layer.base


def profile_text(found: Finding) -> str:
    """The profile's TOML document."""
    rows = {state.name: (state.value, _why(state, found)) for state in found.stated}
    chosen = {name for name in rows if name in found.shrunk.changes}
    kept = {name for name in rows if name in found.keep} - chosen
    off = {name for name, (value, _) in rows.items() if value == "n"} - chosen
    needed = rows.keys() - kept - chosen - off
    gone = sorted(name for name, value in found.shrunk.changes.items() if name not in rows and value == "n")
    parts = [
        _head(found),
        "[kernel]",
        _section("Needed: what fails without it, or what asks for it", needed, rows),
        _section("Chosen because they make it smaller", chosen, rows),
        _section("Kept, though no check might miss them", kept, rows),
        _section("Off, as the profile that this began with has them", off, rows),
        _paragraph("Taken away, and all checks still passed:", gone),
        _paragraph(
            "On and kept as well, but asked for by others or by nobody:", sorted(found.keep.keys() - rows.keys())
        ),
    ]
    return "\n".join(part for part in parts if part).rstrip() + "\n"


def _head(found: Finding) -> str:
    plan, profile, shrunk = found.plan, found.plan.profile, found.shrunk
    manifest, spec, entry = plan.app.manifest, plan.machine.spec, plan.entry
    state = (
        "No single symbol can be removed from it: each was tried, and what failed is beside it."
        if shrunk.minimal
        else f"NOT MINIMAL YET: the time ran out with {len(shrunk.untried)} things untried. The same command continues."
    )
    made = f"found by ./x minimise --app {plan.app.option} --profile {profile.option}"
    kernel = f"Linux {found.resolved.kernel_version}, {spec.target}, ring {entry.ring}, {entry.syscall}"
    lines = [
        f"# The smallest kernel for {manifest.name}, {made}",
        f"# in {found.trials} trials: {kernel}.",
        f"# {state}",
        "# It was tested with the checks of the application's manifest: what they don't check may be missing.",
        "schema = 1",
        f"summary = {json.dumps(f'the smallest kernel on which {manifest.name} does what its manifest promises')}",
    ]
    if plan.profile.cmdline:
        lines.append(f"cmdline = {json.dumps(list(plan.profile.cmdline))}")
    lines += _table("machine", {name: value for name, value in profile.machine if value is not None})
    lines += _table("entry", {"ring": entry.ring, "syscall": entry.syscall, "syscalls": entry.kept})
    return "\n".join([*lines, ""])


def _table(name: str, values: Mapping[str, object]) -> list[str]:
    if not values:
        return []
    return ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]


def _why(state: SymbolState, found: Finding) -> str:
    """The reason for a symbol: what was seen, what failed without it, or why it is kept."""
    name = state.name
    said = [*found.usage[name].lines[:1]] if name in found.usage else []
    if name in found.shrunk.taken and name in found.shrunk.changes:
        said.append(found.shrunk.taken[name].partition(": ")[2] or found.shrunk.taken[name])
    elif name in found.keep:
        said.append(found.keep[name])
    elif name in found.shrunk.stays:
        said.append(f"without it: {found.shrunk.stays[name]}")
    elif name in found.shrunk.untried:
        said.append("not tried yet")
    elif state.why:
        said.append(state.why)
    return _one_line("; ".join(said))


def _one_line(text: str) -> str:
    plain = re.sub(r"\s+", " ", "".join(letter for letter in text if letter.isprintable() or letter.isspace())).strip()
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1].rstrip()}…"


def _section(title: str, names: Collection[str], rows: Mapping[str, tuple[str, str]]) -> str:
    if not names:
        return ""
    width = max(len(f"{name} = {json.dumps(rows[name][0])}") for name in names)
    lines = [f"# {title}"]
    for name in sorted(names):
        value, why = rows[name]
        lines.append(f"{f'{name} = {json.dumps(value)}':{width}} # {why}" if why else f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, ""])


def _paragraph(title: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    lines, line = [f"# {title}"], "#"
    for name in names:
        if len(line) + len(name) > _WIDTH:
            lines.append(line)
            line = "#"
        line += f" {name}"
    return "\n".join([*lines, line, ""])
