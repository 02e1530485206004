# SPDX-License-Identifier: GPL-2.0-only
"""Which kinds of checks there are."""

from __future__ import annotations

from typing import Annotated, get_args

from unilinux.app.checks.command import CommandCheck
from unilinux.app.checks.console import ConsoleCheck, ExitCheck
from unilinux.app.checks.dialogue import MemcachedCheck, RespCheck
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.sql import SqlCheck
from unilinux.app.checks.tcp import TcpCheck
from unilinux.core.document import Field, Model

AskedCheck = TcpCheck | HttpCheck | RespCheck | MemcachedCheck | SqlCheck | CommandCheck
"""Those for which a port of the guest is asked."""

Check = Annotated[ConsoleCheck | ExitCheck | AskedCheck, Field(discriminator="kind")]
"""One of a manifest's ``[[verify]]``, by its ``kind``."""

KINDS: tuple[type[Model], ...] = (ConsoleCheck, ExitCheck, *get_args(AskedCheck))
"""All of them, in the reference's order."""


def port_of(check: Check) -> int | None:
    """The port that a check talks to, if it talks to one."""
    return None if isinstance(check, ConsoleCheck | ExitCheck) else check.port
