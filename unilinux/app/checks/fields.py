# SPDX-License-Identifier: GPL-2.0-only
"""What keys of several kinds of checks hold: ports, regular expressions."""

from __future__ import annotations

import re
from typing import Annotated

from unilinux.core.document import BeforeValidator, Field


def _tcp_port(port: object) -> object:
    if isinstance(port, str):
        message = f"{port!r} is no number of a TCP port; UDP and other protocols can't be forwarded yet"
        raise ValueError(message)  # noqa: TRY004 - pydantic reports these
    return port


Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_tcp_port)]
"""The number of a TCP port."""

Tls = Annotated[
    bool, Field(description="whether the connection begins with TLS; any certificate will do", examples=[True])
]
"""Whether a connection speaks TLS."""


def regex(pattern: str) -> str:
    """Check that a text is a regular expression, and return it.

    :raise ValueError: it is none.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern
