# SPDX-License-Identifier: GPL-2.0-only
"""“Did you mean …?”"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Of 1 for the same letters: "mem" is near enough to "memory" (0.67), and "bos" is not to "verbose" (0.6).
_NEAR = 0.65


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known name nearest to ``word``, or None when nothing is near.

    The dashes before an option don't count: they make all options alike.
    """
    names = {name.lstrip("-"): name for name in known}
    bare = word.lstrip("-")
    near = difflib.get_close_matches(bare, names, n=1, cutoff=_NEAR)
    if not near:
        # Two letters swapped count twice for difflib, which is much in a short name.
        near = [name for name in names if sorted(name.lower()) == sorted(bare.lower())]
    return names[near[0]] if near else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'nginx'?``, for the end of a message; empty when nothing is near."""
    near = did_you_mean(word, known)
    return f"; did you mean {near!r}?" if near else ""


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """``there is no application 'ngnix'; did you mean 'nginx'? (known: …)``"""
    names = sorted(known)
    return f"there is no {kind} {word!r}{suggestion(word, names)} (known: {', '.join(names) or 'none'})"
