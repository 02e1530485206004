# SPDX-License-Identifier: GPL-2.0-only
"""“Did you mean …?”"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known name nearest to ``word``, or None when nothing is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if not near:
        # Two letters swapped count twice for difflib, which is much in a short name.
        near = [name for name in names if sorted(name.lower()) == sorted(word.lower())]
    return near[0] if near else None


def unknown(kind: str, word: str, known: Iterable[str]) -> str:
    """``there is no application 'ngnix'; did you mean 'nginx'? (known: …)``"""
    names = sorted(known)
    near = did_you_mean(word, names)
    guess = f"; did you mean {near!r}?" if near else ""
    return f"there is no {kind} {word!r}{guess} (known: {', '.join(names) or 'none'})"
