# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel that was built before is nearest to one that has to be compiled, and what differs."""

from __future__ import annotations

from collections.abc import Mapping

from unilinux.kernel.kbuild import parse_config

_SHOWN = 6


def difference_from_known(config: str, known: Mapping[str, str]) -> str | None:
    """One sentence on what makes a compile necessary; None where nothing was built before.

    :param config: a ``.config``.
    :param known: those of other kernels, by the names of their images.
    """
    asked = parse_config(config)
    changes = {name: _changes(parse_config(text), asked) for name, text in known.items()}
    if not changes:
        return None
    nearest = min(changes, key=lambda name: (len(changes[name]), name))
    different = changes[nearest]
    if not different:
        return f"its configuration is that of {nearest}, but its source or tools are others"
    shown = ", ".join(different[:_SHOWN]) + (", …" if len(different) > _SHOWN else "")
    count = "1 symbol differs" if len(different) == 1 else f"{len(different)} symbols differ"
    return f"no kernel with this configuration is compiled yet: {count} from {nearest}'s ({shown})"


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        f"{name}={after.get(name, 'n')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, "n") != after.get(name, "n")
    ]
