"""What was observed of an application, as far as the search and the profile need it: the file of ./x observe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unilinux.core.errors import UsageError

_SCHEMA = 1
_USED = "used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """By symbol without ``CONFIG_``: what was seen of it, a line each, the strongest first.

    ``used`` are the symbols that system calls were seen to use: they are not taken away
    together with the others. That some function of a symbol ran says less: many are
    only hooks on the way of every process.
    """

    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    used: frozenset[str] = frozenset()


def read_evidence(path: Path) -> Seen:
    """What an observation left in a file.

    :raise UsageError: it isn't there, isn't such a file, or is of another version of UniLinux.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != _SCHEMA:
            raise UsageError(f"{path} is of another version of UniLinux", hint="./x observe --app NAME writes it anew")
        symbols = data["symbols"]
        return Seen(
            lines={name: (*one["calls"], *one["functions"]) for name, one in symbols.items()},
            used=frozenset(name for name, one in symbols.items() if one["status"] == _USED and one["calls"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} holds no observation: {error!r}", hint="./x observe --app NAME writes it; or leave --evidence out"
        ) from error
