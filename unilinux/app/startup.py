# SPDX-License-Identifier: GPL-2.0-only
"""Arguments and variables that one boot gives the application: words of the kernel's command line, which init reads.

The kernel splits its command line at blanks, takes quotes away where it likes, and hands on some thirty words. So
each list is one word: its items percent-encoded and separated by commas.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from urllib.parse import quote

from unilinux.core.errors import UsageError

# What neither the kernel, nor a shell, nor the lists themselves take for more than it is.
_PLAIN = "/:@+="


def startup_words(arguments: Sequence[str], environment: Sequence[str]) -> tuple[str, ...]:
    """The words for further ``arguments``, and for variables as ``NAME=VALUE``; none where there is nothing to say.

    >>> startup_words(["--port", "8 1"], ["A=b,c"])
    ('unilinux_arguments=--port,8%201', 'unilinux_environment=A=b%2Cc')

    :raise UsageError: something that is no variable, or a zero byte.
    """
    for text in environment:
        if not re.match(r"[^=]+=", text):
            raise UsageError(f"--env takes NAME=VALUE, not {text!r}")
    for text in (*arguments, *environment):
        if "\0" in text:
            raise UsageError(f"{text!r} holds a zero byte, which no argument can")
    lists = (("unilinux_arguments", arguments), ("unilinux_environment", environment))
    return tuple(f"{name}={','.join(map(_encoded, items))}" for name, items in lists if items)


def _encoded(text: str) -> str:
    return quote(os.fsencode(text), safe=_PLAIN)
